// One camera: its live picture as large as it comes, its day, whether it is fit, and how it is set up.

import { ZoneEditor } from "./zones.js";
import { LivePicture } from "./picture.js";
import { Fitness } from "./fitness.js";
import { chip, now, on, start, t, timeText } from "./frame.js";
import { STATE_SHAPES } from "./tile.js";
import { drawDay } from "./timeline.js";
import { Views } from "./views.js";

const DAY_S = 86400;
const DAY_EVERY_MS = 60_000;

const camera = start.card.id;
const path = `/api/v1/cameras/${encodeURIComponent(camera)}`;
const picture = new LivePicture(camera);
const fitness = new Fitness();

document.getElementById("stage").append(picture.element);
const views = new Views((_, shown) => {
  picture.show(shown);
  fitness.see(shown.head.faces, shown.bitmap);
}, { small: false });

function state(card) {
  document.getElementById("state").replaceChildren(chip(STATE_SHAPES[card.state], t.states[card.state]));
  const why = t.reasons[card.reason];
  document.getElementById("since").textContent = card.since ? [`${t.wall.since} ${timeText(card.since)}`, why].filter(Boolean).join(", ") : t.wall.unheard;
}

async function judge() {
  const answer = await fetch(`${path}/judging`);
  if (answer.ok) fitness.show(await answer.json());
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
await Promise.all([judge(), day(), start.is_admin ? setup() : null]);
