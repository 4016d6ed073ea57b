// One event in full: what, where, when, its picture as the privacy mode allows, and what was said of it.

import { KIND_SHAPES } from "./episodes.js";
import { chip, fill, make, percent, say, send, spanText, start, t, timeText } from "./frame.js";

export class Detail {
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
    this.id = null;
  }

  async show(id) {
    const answer = await fetch(`/api/v1/events/${encodeURIComponent(id)}`);
    if (!answer.ok) {
      this.place.replaceChildren(make("p", { class: "empty" }, t.events.gone));
      return;
    }
    const row = await answer.json();
    const field = this.id === id ? this.place.querySelector("[name=text]") : null;
    const writing = document.activeElement === field;
    this.draw(row, field?.value);
    if (field && writing) this.place.querySelector("[name=text]").focus();
  }

  // An open episode changes while somebody writes of it: what is written stays.
  draw(row, written = "") {
    const { event } = row;
    this.id = event.id;
    const facts = [
      [t.events.camera, event.camera_id === "pipeline" ? t.events.service : make("a", { href: `/cameras/${encodeURIComponent(event.camera_id)}` }, event.camera_id)],
      [t.events.began, timeText(event.started_at)],
      [t.events.told, timeText(event.opened_at)],
      event.closed_at !== null && [t.events.ended, `${timeText(event.closed_at)}, ${spanText(event.closed_at - event.started_at)}`],
      event.kind === "no_mask" && [t.events.sure, `${percent(event.confidence)}, ${fill(t.events.faces, { count: event.faces })}`],
      event.kind === "crowd" && event.share !== null && [t.events.share, `${percent(event.share)} ${fill(t.wall.of_people, { people: event.people })}`],
      event.reason && [t.events.reason, t.event_reasons[event.reason] ?? t.reasons[event.reason] ?? event.reason],
      [t.events.id, make("code", {}, event.id)],
    ].filter(Boolean);
    this.place.replaceChildren(
      make("h2", {}, chip(KIND_SHAPES[event.kind], t.kinds[event.kind]), `, ${t.event_states[event.state]}`),
      ...(row.has_picture ? [this.picture(event)] : []),
      make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
      this.said(row),
      ...(start.is_admin ? [this.form(event.id, written)] : []),
    );
  }

  picture(event) {
    return make(
      "figure",
      {},
      make("img", { src: `/api/v1/events/${encodeURIComponent(event.id)}/picture.jpg`, alt: fill(t.events.picture_of, { camera: event.camera_id, time: timeText(event.started_at) }) }),
      make("figcaption", {}, start.clear_faces ? t.events.clear_faces : t.events.hidden_faces),
    );
  }

  said(row) {
    const lines = row.marks.map((mark) =>
      make("li", {}, make("strong", {}, t.marks[mark.kind]), mark.text ? ` “${mark.text}”` : "", make("span", { class: "by" }, ` ${mark.author}, ${timeText(mark.marked_at)}`)),
    );
    return make("ul", { class: "said" }, ...(lines.length ? lines : [make("li", { class: "empty" }, t.marks.none)]));
  }

  form(id, written) {
    const text = make("input", { name: "text", maxlength: 1000, "aria-label": t.marks.text, placeholder: t.marks.text });
    text.value = written;
    const problem = make("p", { class: "wrong", role: "alert", hidden: true });
    const button = (kind) => {
      const made = make("button", { type: "button", "data-mark": kind }, t.marks[`do_${kind}`]);
      made.addEventListener("click", async () => {
        try {
          const row = await send(`/api/v1/events/${encodeURIComponent(id)}/marks`, "POST", { kind, text: text.value });
          this.changed(row);
          this.draw(row);
          say(t.marks[kind]);
        } catch (error) {
          problem.textContent = error.message;
          problem.hidden = false;
        }
      });
      return made;
    };
    return make("div", { class: "marking" }, text, make("div", { class: "buttons" }, ...["acknowledged", "comment", "wrong", "right"].map(button)), problem);
  }
}
