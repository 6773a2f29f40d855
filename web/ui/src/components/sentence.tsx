import { Fragment } from "react";
import { capital } from "@/lib/format";
import { piecesOf, useSentences } from "@/lib/sentences";

/** What the server says, in the language that is shown; what is not known in it is marked as English (WCAG 3.1.2). */
export function Sentence({ text, isCapital = false }: { text: string; isCapital?: boolean }) {
  useSentences();
  return piecesOf(isCapital ? capital(text) : text).map((piece, index) => {
    // Its place is all that tells one piece from another of the same words.
    const key = `${index} ${piece.text}`;
    if (!piece.isEnglish) return <Fragment key={key}>{piece.text}</Fragment>;
    return (
      <span key={key} lang="en">
        {piece.text}
      </span>
    );
  });
}
