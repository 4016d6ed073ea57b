// One camera: its live picture as large as it comes, its day, whether it is fit, and how it is set up.

import { ZoneEditor } from "./zones.js";
import { LivePicture } from "./picture.js";
import { chip, fill, make, now, on, percent, start, t, timeText } from "./frame.js";
import { STATE_SHAPES } from "./tile.js";
import { drawDay } from "./timeline.js";
import { Views } from "./views.js";

const DAY_S = 86400;
const DAY_EVERY_MS = 60_000;
const FIT_SHAPES = { good: "good", fair: "warn", poor: "bad", unknown: "unknown" };

const camera = start.card.id;
const path = `/api/v1/cameras/${encodeURIComponent(camera)}`;
const picture = new LivePicture(camera);
const heights = [];
let light = null;
let judging = null;

document.getElementById("stage").append(picture.element);
const views = new Views((_, shown) => {
  picture.show(shown);
  for (const face of shown.head.faces) heights.push(face.box[3] - face.box[1]);
  heights.splice(0, Math.max(0, heights.length - 200));
  light = brightness(shown.bitmap);
  measures();
}, { small: false });

function brightness(bitmap) {
  const canvas = new OffscreenCanvas(16, 16);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, 16, 16);
  const pixels = context.getImageData(0, 0, 16, 16).data;
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4) sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
  return sum / 256 / 255;
}

function state(card) {
  document.getElementById("state").replaceChildren(chip(STATE_SHAPES[card.state], t.states[card.state]));
  const why = t.reasons[card.reason];
  document.getElementById("since").textContent = card.since ? [`${t.wall.since} ${timeText(card.since)}`, why].filter(Boolean).join(", ") : t.wall.unheard;
}

function measures() {
  if (judging === null) return;
  const facts = [
    [t.camera.faces, `${judging.faces}`],
    [t.camera.cannot_tell, judging.unknown_share === null ? t.wall.not_known : percent(judging.unknown_share)],
    [t.camera.smallest, fill(t.camera.pixels, { pixels: judging.min_face_px })],
    [t.camera.sizes, heights.length ? fill(t.camera.pixels, { pixels: `${Math.round(Math.min(...heights))}–${Math.round(Math.max(...heights))}` }) : t.camera.no_faces],
    [t.camera.light, light === null ? t.wall.not_known : light < 0.15 ? t.camera.dark : light > 0.88 ? t.camera.bright : t.camera.good_light],
  ];
  document.getElementById("measures").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

async function fitness() {
  const answer = await fetch(`${path}/judging`);
  if (!answer.ok) return;
  judging = await answer.json();
  document.getElementById("fitness").replaceChildren(make("p", {}, chip(FIT_SHAPES[judging.fitness], t.fitness[judging.fitness])), make("p", { class: "hint" }, t.fitness[`${judging.fitness}_hint`]));
  measures();
}

async function day() {
  const from = now() - DAY_S;
  const [happened, unwatched] = await Promise.all([
    fetch(`/api/v1/events?${new URLSearchParams({ camera, from: from.toFixed(0), limit: 200 })}`),
    fetch(`${path}/unwatched`),
  ]);
  if (!happened.ok || !unwatched.ok) return;
  drawDay(document.getElementById("timeline"), (await happened.json()).map((row) => row.event), await unwatched.json(), from, now());
}

async function setup() {
  const answer = await fetch(`${path}/setup`);
  if (!answer.ok) return;
  const found = await answer.json();
  document.getElementById("setup").textContent = found.yaml;
  new ZoneEditor(picture.element, camera, found);
}

state(start.card);
on("cards", (cards) => cards.filter((card) => card.id === camera).forEach(state));
on("event", (event) => event.camera_id === camera && day());
setInterval(() => picture.tick(), 250);
setInterval(() => document.hidden || day(), DAY_EVERY_MS);
if (start.shows_people) views.watch([camera]);
await Promise.all([fitness(), day(), start.is_admin ? setup() : null]);
