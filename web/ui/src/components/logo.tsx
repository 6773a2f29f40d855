/** The mark of Control Tower. */
export function Logo({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={className}>
      <rect width="32" height="32" rx="7" className="fill-accent" />
      <path d="M9 8h14l-2.2 7h-9.6z" className="fill-on-accent" />
      <path d="M13 17h6l1 8h-8z" className="fill-on-accent" opacity=".85" />
      <path d="M16 4v3" className="stroke-on-accent" strokeWidth="2" strokeLinecap="round" />
    </svg>
  );
}
