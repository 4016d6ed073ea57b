// One camera on the wall.

import { chip, fill, make, percent, t, timeText } from "./frame.js";
import { LivePicture } from "./picture.js";

export const STATE_SHAPES = { live: "good", connecting: "unknown", stalled: "warn", frozen: "warn", covered: "bad", offline: "bad" };

export const needsAttention = (card) => card.state !== "live" || card.episodes > 0;

export class Tile {
  constructor(card) {
    this.picture = new LivePicture(card.id);
    this.state = make("span");
    this.since = make("span", { class: "since" });
    this.alarm = make("p", { class: "alarm", hidden: true });
    this.people = make("dd");
    this.today = make("dd");
    this.element = make(
      "li",
      { class: "tile", "data-camera": card.id },
      make(
        "a",
        { href: `/cameras/${encodeURIComponent(card.id)}` },
        make("div", { class: "head" }, make("span", { class: "name" }, card.id), this.state),
        this.picture.element,
        this.alarm,
        make(
          "dl",
          {},
          make("div", {}, make("dt", {}, t.wall.people_now), this.people),
          make("div", {}, make("dt", {}, t.wall.today), this.today),
        ),
        this.since,
      ),
    );
    this.update(card);
  }

  update(card) {
    this.card = card;
    this.element.dataset.state = card.state;
    this.element.classList.toggle("has-episode", card.episodes > 0);
    this.state.replaceChildren(chip(STATE_SHAPES[card.state], t.states[card.state]));
    const why = t.reasons[card.reason];
    this.since.textContent = card.since ? [`${t.wall.since} ${timeText(card.since)}`, why].filter(Boolean).join(", ") : t.wall.unheard;
    this.alarm.hidden = card.no_mask_since === null;
    if (card.no_mask_since !== null) this.alarm.textContent = fill(t.wall.no_mask_since, { time: timeText(card.no_mask_since) });
    this.people.replaceChildren(...peopleNow(card.people));
    this.today.replaceChildren(...complianceText(card.today));
  }
}

function peopleNow(people) {
  if (people === null) return [t.wall.not_known];
  const shown = Object.entries({ no_mask: "bad", incorrect: "warn", mask: "good", unknown: "unknown" })
    .filter(([state]) => people[state] > 0)
    .map(([state, kind]) => chip(kind, `${people[state]} ${t.faces[state].toLowerCase()}`));
  return shown.length ? shown : [t.wall.nobody];
}

export function complianceText(today) {
  if (!today || today.share === null) return [t.wall.no_people];
  const interval = `${(100 * today.low).toFixed(0)}–${(100 * today.high).toFixed(0)}`;
  return [make("strong", {}, percent(today.share)), ` (${interval}) ${fill(t.wall.of_people, { people: today.people })}`];
}
