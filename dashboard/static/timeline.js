// A camera's day: when nobody watched, when it did not see, and when there were episodes. Also in words and as a list,
// for those who cannot see it.

import { fill, make, spanText, t, timeText } from "./frame.js";

const SVG = "http://www.w3.org/2000/svg";
const ROWS = [
  ["camera", ["camera_offline", "camera_frozen", "camera_covered"]],
  ["people", ["no_mask", "crowd"]],
];
const NARROW = 480; // pixels: fewer hours are written there
const TALL = 26;
const EDGE = 20; // half of what an hour takes, in pixels
const PADDING = 16; // of the panel around it
const SPANS_SAID = 6;

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Nobody looking is not nobody there: say when that was.
function watchedText(unwatched) {
  if (!unwatched.length) return t.camera.always_watched;
  const spans = unwatched.slice(-SPANS_SAID).map(({ begin, end }) => `${timeText(begin)} – ${timeText(end)}`);
  if (unwatched.length > SPANS_SAID) spans.push(fill(t.camera.and_more, { count: unwatched.length - SPANS_SAID }));
  const seconds = unwatched.reduce((sum, { begin, end }) => sum + end - begin, 0);
  return fill(t.camera.not_watched, { span: spanText(seconds), spans: spans.join("; ") });
}

export function drawDay(place, events, unwatched, from, to) {
  const width = Math.max(240, place.clientWidth - 2 * PADDING); // so that what is written keeps its size
  const x = (at) => (width * (Math.min(to, Math.max(from, at)) - from)) / (to - from);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${2 * TALL + 22}`, class: "day", "aria-hidden": "true" });
  for (const [index, [, kinds]] of ROWS.entries()) {
    drawing.append(svg("rect", { x: 0, y: index * TALL, width, height: TALL - 6, class: index === 0 ? "seeing" : "quiet-row" }));
    for (const { begin, end } of index === 0 ? unwatched : []) {
      drawing.append(svg("rect", { x: x(begin), y: 0, width: x(end) - x(begin), height: TALL - 6, class: "unwatched" }));
    }
    for (const event of events.filter((each) => kinds.includes(each.kind))) {
      const left = x(event.started_at);
      const wide = Math.max(2, x(event.closed_at ?? to) - left);
      drawing.append(svg("rect", { x: left, y: index * TALL, width: wide, height: TALL - 6, class: `span-${event.kind}` }));
    }
  }
  const apart = width < NARROW ? 21600 : 10800;
  for (let at = Math.ceil(from / apart) * apart; at < to; at += apart) {
    if (Math.min(x(at), width - x(at)) < EDGE) continue; // it would be cut off
    drawing.append(svg("text", { x: x(at), y: 2 * TALL + 14, class: "hour", "text-anchor": "middle" }, timeText(at).slice(-8, -3)));
  }
  const listed = events.slice(0, 8).map((event) =>
    make("li", {}, make("a", { href: `/events?event=${encodeURIComponent(event.id)}` }, t.kinds[event.kind]), ` ${timeText(event.started_at)}, ${event.closed_at === null ? t.event_states.opened : spanText(event.closed_at - event.started_at)}`),
  );
  place.replaceChildren(
    make("p", { class: "legend" }, make("span", {}, t.camera.row_camera), make("span", {}, t.camera.row_people)),
    drawing,
    make("p", { class: "hint watched" }, watchedText(unwatched)),
    make("ul", { class: "plain" }, ...(listed.length ? listed : [make("li", { class: "empty" }, unwatched.length ? t.camera.quiet_watched : t.camera.quiet_day)])),
  );
}
