import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

type Triple = [number, number, number];

const css = readFileSync(new URL("./app.css", import.meta.url), "utf8");
const SERIES = [1, 2, 3, 4, 5, 6, 7, 8];
const THEMES = ["light", "dark"] as const;

/** How people without one kind of cone see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1). */
const SIGHT: Record<string, Triple[]> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};

/** Differences below about 0.02 cannot be seen in Oklab; thin lines need much more. */
const APART_MIN = 0.1;

function token(name: string, theme: (typeof THEMES)[number]): Triple {
  const found = new RegExp(`--${name}: light-dark\\(oklch\\(([^)]+)\\), oklch\\(([^)]+)\\)`).exec(css);
  const numbers = (theme === "light" ? found?.[1] : found?.[2])?.split(" ").map(Number) ?? [];
  const [lightness = Number.NaN, chroma = Number.NaN, hue = 0] = numbers;
  return [lightness, chroma, hue];
}

function times(matrix: readonly Triple[], [x, y, z]: Triple): Triple {
  return matrix.map(([a, b, c]) => a * x + b * y + c * z) as Triple;
}

function clipped(color: Triple): Triple {
  return color.map((part) => Math.min(1, Math.max(0, part))) as Triple;
}

/** Björn Ottosson's Oklab, there and back. */
function linearOf([lightness, chroma, hue]: Triple): Triple {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const cones: Triple = [
    (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3,
    (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3,
    (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3,
  ];
  return clipped(
    times(
      [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
      ],
      cones,
    ),
  );
}

function labOf(linear: Triple): Triple {
  const cones = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    linear,
  ).map(Math.cbrt) as Triple;
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    cones,
  );
}

function luminance([red, green, blue]: Triple): number {
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

describe.each(THEMES)("the colours of series in the %s theme", (theme) => {
  const colors = SERIES.map((number) => linearOf(token(`series-${number}`, theme)));

  test.each(Object.keys(SIGHT))("tell apart for eyes with %s", (sight) => {
    const matrix = SIGHT[sight] ?? [];
    const seen = colors.map((color) => labOf(clipped(times(matrix, color))));
    const distances = seen.flatMap((one, index) =>
      seen.slice(index + 1).map((other) => Math.hypot(...one.map((part, axis) => part - (other[axis] ?? 0)))),
    );
    expect(distances).toHaveLength(28);
    expect(Math.min(...distances)).toBeGreaterThan(APART_MIN);
  });

  test("stand out from the surface they are drawn on by 3 to 1", () => {
    const surface = luminance(linearOf(token("surface", theme)));
    for (const color of colors) {
      const [dark = 0, light = 0] = [surface, luminance(color)].sort((one, other) => one - other);
      expect((light + 0.05) / (dark + 0.05)).toBeGreaterThanOrEqual(3);
    }
  });
});
