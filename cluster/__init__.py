"""The shared truth: what the nodes agree on, and how decisions are made. Imports neither agent nor web."""
