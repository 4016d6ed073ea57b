// The wall: a tile for each camera, pictures for those in sight, episodes as they open and close.

import { Episodes } from "./episodes.js";
import { chip, on, say, start, t } from "./frame.js";
import { STATE_SHAPES, Tile, needsAttention } from "./tile.js";
import { Views } from "./views.js";

const SETTLE_MS = 150;

const wall = document.getElementById("wall");
const tiles = new Map();
const inSight = new Set();
const views = new Views((camera, picture) => tiles.get(camera)?.picture.show(picture), { small: true });
const open = new Episodes(document.getElementById("open"), { limit: 50 });
const lately = new Episodes(document.getElementById("lately"), { limit: 12 });
let onlyAttention = false;
let settling = null;

const eye = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target.dataset.camera);
      else inSight.delete(target.dataset.camera);
    }
    clearTimeout(settling);
    settling = setTimeout(() => start.shows_people && views.watch(inSight), tiles.size && views.cameras.length ? SETTLE_MS : 0);
  },
  { rootMargin: "100px" },
);

function put(card) {
  const known = tiles.get(card.id);
  if (known) {
    if (known.card.state !== card.state) say(`${card.id}: ${t.states[card.state]}`);
    known.update(card);
  } else {
    const tile = new Tile(card);
    tiles.set(card.id, tile);
    wall.append(tile.element);
    eye.observe(tile.element);
  }
}

function remove(camera) {
  const tile = tiles.get(camera);
  if (!tile) return;
  eye.unobserve(tile.element);
  tile.element.remove();
  tiles.delete(camera);
  inSight.delete(camera);
}

function arrange() {
  const counts = {};
  for (const { card, element } of tiles.values()) {
    counts[card.state] = (counts[card.state] ?? 0) + 1;
    element.hidden = onlyAttention && !needsAttention(card);
  }
  const order = Object.keys(STATE_SHAPES).filter((state) => counts[state]);
  document.getElementById("summary").replaceChildren(...order.map((state) => chip(STATE_SHAPES[state], `${counts[state]} ${t.states[state].toLowerCase()}`)));
  document.getElementById("none").hidden = tiles.size > 0;
  wall.dataset.size = tiles.size <= 1 ? "one" : tiles.size <= 4 ? "few" : tiles.size <= 16 ? "some" : "many";
}

function hear(event) {
  const isOpen = event.closed_at === null;
  if (isOpen) open.put(event);
  else {
    open.drop(event.id);
    lately.put(event);
  }
  if (event.state === "opened") say(`${t.kinds[event.kind]}, ${event.camera_id}`);
}

function choose(attention) {
  onlyAttention = attention;
  document.getElementById("show-all").setAttribute("aria-pressed", String(!attention));
  document.getElementById("show-attention").setAttribute("aria-pressed", String(attention));
  arrange();
}

start.cards.forEach(put);
start.events.forEach((event) => open.put(event));
arrange();
on("cards", (cards) => {
  cards.forEach(put);
  arrange();
});
on("gone", (camera) => {
  remove(camera);
  arrange();
});
on("event", hear);
document.getElementById("show-all").addEventListener("click", () => choose(false));
document.getElementById("show-attention").addEventListener("click", () => choose(true));
setInterval(() => {
  for (const tile of tiles.values()) tile.picture.tick();
}, 500);
