// Lists of episodes that keep themselves up to date.

import { chip, make, spanText, t, timeText } from "./frame.js";

export const KIND_SHAPES = { no_mask: "bad", crowd: "bad", camera_offline: "bad", camera_frozen: "warn", camera_covered: "bad", pipeline_degraded: "warn" };

export class Episodes {
  constructor(list, { limit }) {
    this.list = list;
    this.limit = limit;
    this.rows = new Map();
    this.show();
  }

  put(event) {
    this.rows.delete(event.id);
    this.rows = new Map([[event.id, event], ...this.rows].slice(0, this.limit));
    this.show();
  }

  drop(id) {
    if (this.rows.delete(id)) this.show();
  }

  show() {
    const rows = [...this.rows.values()].map((event) => row(event));
    this.list.replaceChildren(...(rows.length ? rows : [make("li", { class: "empty" }, this.list.dataset.empty)]));
  }
}

function row(event) {
  const over = event.closed_at !== null;
  const span = over
    ? `${timeText(event.started_at)} · ${spanText(event.closed_at - event.started_at)}`
    : timeText(event.started_at);
  return make(
    "li",
    { class: over ? "is-over" : "is-open", "data-event": event.id },
    make(
      "a",
      { href: `/events?event=${encodeURIComponent(event.id)}` },
      chip(KIND_SHAPES[event.kind], t.kinds[event.kind]),
      make("span", { class: "where" }, event.camera_id),
      make("span", { class: "when" }, `${span}, ${t.event_states[event.state]}`),
    ),
  );
}
