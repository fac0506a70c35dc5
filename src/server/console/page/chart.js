// A small chart of numbers over time, drawn as SVG.
import { h, s } from "./dom.js";

const [WIDTH, HEIGHT] = [600, 120];

/** Draws lines over one axis. Each has a name, a class and a value for each sample, or `null` where there is none. */
export function chart({ title, unit, lines, times, words, from, base = 10 }) {
  const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const top = ceiling(Math.max(...values, from), base);
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 1];
  const x = (time) => ((time - first) / Math.max(last - first, 1)) * WIDTH;
  const y = (value) => HEIGHT * (1 - value / top);
  const latest = lines.map(({ values }) => values.at(-1) ?? null);
  const read = lines.map(({ name }, index) => `${name} ${latest[index] === null ? "unknown" : words(latest[index])}`);
  const drawing = s(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${title}: ${read.join(", ")}`,
    },
    [0, 0.5, 1].map((part) => s("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(top * part), y2: y(top * part) })),
    lines.flatMap((line) => paths(line, times, x, y)),
  );
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("h2", {}, title), unit && h("span", { class: "soft" }, unit)),
    h(
      "ul",
      { class: "legend" },
      lines.map((line, index) =>
        h(
          "li",
          { class: line.class },
          h("span", {}, line.name),
          h("strong", {}, latest[index] === null ? "–" : words(latest[index])),
        ),
      ),
    ),
    h("p", { class: "scale soft", "aria-hidden": "true" }, words(top)),
    drawing,
    h("p", { class: "scale soft" }, spanOf(last - first)),
  );
}

/** A line is broken where there is no value. */
function paths({ values, class: kind }, times, x, y) {
  const pieces = [];
  let piece = [];
  values.forEach((value, index) => {
    if (value === null) [pieces[pieces.length], piece] = [piece, []];
    else piece.push([x(times[index]), y(value)]);
  });
  pieces.push(piece);
  return pieces
    .filter((points) => points.length > 0)
    .map((points) => {
      const [[startX, startY]] = points;
      // A single point would not be seen.
      const all = points.length === 1 ? [[startX - 1, startY], ...points] : points;
      return s("path", {
        class: kind,
        d: `M${all.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join("L")}`,
        "vector-effect": "non-scaling-stroke",
      });
    });
}

/** The next round number above, of tens or of the units of bytes. */
function ceiling(value, base) {
  const power = base ** Math.floor(Math.log(value) / Math.log(base));
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, base];
  return steps.find((step) => step * power >= value) * power;
}

function spanOf(millis) {
  const seconds = Math.round(millis / 1000);
  if (seconds < 1) return "";
  return seconds < 90 ? `last ${seconds} s` : `last ${Math.round(seconds / 60)} min`;
}
