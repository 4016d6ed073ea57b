// Heat map and state timeline: Grafana's own are not in its packages, so these stand for them, with the same data,
// colours and order.

import { getFieldDisplayName } from "@grafana/data";
import { createElement as h } from "react";

const LEFT = 70;
const BELOW = 22;
const BLUES = [[247, 251, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]];

const clock = (at) => new Date(at).toISOString().slice(11, 16);

function blue(share) {
  const place = share * (BLUES.length - 1);
  const low = BLUES[Math.floor(place)];
  const high = BLUES[Math.ceil(place)];
  return `rgb(${low.map((part, index) => Math.round(part + (high[index] - part) * (place % 1))).join(" ")})`;
}

function axis(range, width, height) {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const x = (at) => LEFT + ((width - LEFT) * (at - from)) / (to - from);
  const marks = [0.1, 0.5, 0.9].map((share) => from + share * (to - from));
  const words = marks.map((at) => h("text", { key: at, x: x(at), y: height - 6, textAnchor: "middle", fontSize: 12, fill: "currentColor" }, clock(at)));
  return [x, words];
}

const label = (word, y) => h("text", { key: word, x: LEFT - 8, y, textAnchor: "end", dominantBaseline: "middle", fontSize: 12, fill: "currentColor" }, word);

// Buckets of a histogram come as sums of all below them: each less the one before is how many fell into it.
export function Heat({ panel, frames, width, height, range }) {
  const limit = (frame) => Number(frame.fields[1].labels.le.replace("+Inf", "Infinity"));
  const sorted = [...frames].sort((one, other) => limit(one) - limit(other));
  const counts = sorted.map((frame, row) => [...frame.fields[1].values].map((value, column) => Math.max(0, (value ?? 0) - (row ? (sorted[row - 1].fields[1].values[column] ?? 0) : 0))));
  const most = Math.max(...counts.flat(), 1e-9);
  const tall = (height - BELOW) / Math.max(1, sorted.length);
  const [x, words] = axis(range, width, height);
  const times = sorted.length ? [...sorted[0].fields[0].values] : [];
  const cells = counts.flatMap((row, index) =>
    row.map((count, column) => {
      const wide = x(times[column]) - x(times[column] - (times[1] - times[0])) - 1;
      const y = height - BELOW - (index + 1) * tall;
      return count > 0 && h("rect", { key: `${index} ${column}`, x: x(times[column]) - wide, y, width: Math.max(1, wide), height: tall - 1, fill: blue(0.15 + 0.85 * Math.sqrt(count / most)) });
    }),
  );
  const names = sorted.map((frame, row) => row % 3 === 0 && label(`${limit(frame)}${panel.options.yAxis.unit === "s" ? " s" : ""}`, height - BELOW - (row + 0.5) * tall));
  return h("svg", { width, height }, cells, names, words);
}

export function Timeline({ frames, width, height, range, theme }) {
  const [x, words] = axis(range, width, height);
  const tall = (height - BELOW) / Math.max(1, frames.length);
  const bands = frames.flatMap((frame, row) => {
    const [time, state] = frame.fields;
    const wide = x(time.values[1]) - x(time.values[0]);
    return [...time.values].map((at, place) => {
      const value = state.values[place];
      if (value === null) return null;
      const fill = theme.visualization.getColorByName(state.display(value).color);
      return h("rect", { key: `${row} ${place}`, x: x(at), y: row * tall + 0.1 * tall, width: wide + 0.5, height: 0.8 * tall, fill });
    });
  });
  const names = frames.map((frame, row) => label(getFieldDisplayName(frame.fields[1], frame, frames), (row + 0.5) * tall));
  return h("svg", { width, height }, bands, names, words);
}
