// Looking events up: a list that filters and grows, and one event in full beside it.

import { Detail } from "./event.js";
import { KIND_SHAPES } from "./episodes.js";
import { chip, make, on, spanText, t, timeText } from "./frame.js";

const PAGE = 50;

const form = document.getElementById("filter");
const list = document.getElementById("events");
const more = document.getElementById("more");
const none = document.getElementById("none");
const rows = new Map();
const detail = new Detail(document.getElementById("detail"), (changed) => put(changed));
let chosen = null;

function asked() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
  return query;
}

async function load(before) {
  const query = asked();
  query.append("limit", PAGE);
  if (before) query.append("before", before);
  const answer = await fetch(`/api/v1/events?${query}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const found = await answer.json();
  if (!before) {
    rows.clear();
    list.replaceChildren();
  }
  for (const row of found) put(row);
  more.hidden = found.length < PAGE;
  none.hidden = rows.size > 0;
}

// Show an event where it is in the list, or at its end.
function put(row) {
  const known = rows.get(row.event.id);
  const made = element(row);
  if (known) known.element.replaceWith(made);
  else list.append(made);
  rows.set(row.event.id, { row, element: made });
}

function element({ event, acknowledged, wrong, marks }) {
  const over = event.closed_at !== null;
  const button = make(
    "button",
    { type: "button", "data-event": event.id, "aria-pressed": String(event.id === chosen) },
    chip(KIND_SHAPES[event.kind], t.kinds[event.kind]),
    make("span", { class: "where" }, event.camera_id),
    make("span", { class: "when" }, timeText(event.started_at)),
    make("span", { class: "span" }, over ? spanText(event.closed_at - event.started_at) : t.event_states.opened),
    make(
      "span",
      { class: "said" },
      [wrong === true && t.marks.wrong, wrong === false && t.marks.right, acknowledged && t.marks.acknowledged, marks.some((mark) => mark.text) && t.marks.comment]
        .filter(Boolean)
        .join(", "),
    ),
  );
  button.addEventListener("click", () => choose(event.id));
  return make("li", { class: over ? "is-over" : "is-open" }, button);
}

async function choose(id) {
  chosen = id;
  for (const { element: row } of rows.values()) {
    const button = row.firstChild;
    button.setAttribute("aria-pressed", String(button.dataset.event === id));
  }
  const address = new URL(location.href);
  address.searchParams.set("event", id);
  history.replaceState(null, "", address);
  await detail.show(id);
}

// A change as it happens: a known event is renewed, a new one comes on top where the filter lets it.
async function hear(event) {
  if (rows.has(event.id)) {
    rows.get(event.id).row.event = event;
    put(rows.get(event.id).row);
    if (event.id === chosen) await detail.show(event.id);
    return;
  }
  const query = asked();
  const fits = !["from", "to", "open", "marked"].some((name) => query.has(name));
  if (!fits || (query.get("camera") ?? event.camera_id) !== event.camera_id || (query.get("kind") ?? event.kind) !== event.kind) return;
  const row = { event, acknowledged: false, wrong: null, marks: [] };
  const made = element(row);
  list.prepend(made);
  rows.set(event.id, { row, element: made });
  none.hidden = true;
}

document.getElementById("filters").open = matchMedia("(min-width: 60rem)").matches;
const given = new URLSearchParams(location.search);
for (const [name, value] of given) if (form.elements[name]) form.elements[name].value = value;

form.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  history.replaceState(null, "", `?${asked()}`);
  load();
});
form.addEventListener("reset", () => setTimeout(() => {
  history.replaceState(null, "", location.pathname);
  load();
}));
more.addEventListener("click", () => load([...rows.keys()].at(-1)));
on("event", hear);
await load();
if (given.get("event")) await choose(given.get("event"));
