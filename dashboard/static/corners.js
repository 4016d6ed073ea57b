// The corners of the shape being drawn, as rows that need no pointer: arrows move one, Delete removes it, and its
// numbers can be typed. Every change is said aloud.

import { fill, make, say, t } from "./frame.js";

const STEP = 0.01;
const FINE = 0.001; // with Shift
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FIRST = [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]];

export const rounded = (value) => Math.round(1000 * value) / 1000;
const within = (value) => rounded(Math.min(1, Math.max(0, value)));
const percent = (value) => `${Math.round(1000 * value) / 10} %`;

export class Corners {
  // changed() is called after each change; afterLast is what gets the keyboard when no corner is left.
  constructor(place, changed, afterLast) {
    this.place = place;
    this.changed = changed;
    this.afterLast = afterLast;
    this.corners = [];
    this.chosen = -1;
  }

  // Show these corners, in the rows that are there: whoever is in one stays in it.
  show(corners) {
    this.corners = corners ?? [];
    this.place.hidden = this.corners.length === 0;
    while (this.place.children.length > this.corners.length) this.place.lastChild.remove();
    while (this.place.children.length < this.corners.length) this.place.append(this.row(this.place.children.length));
    this.corners.forEach((corner, index) => {
      const [button, across, down] = this.place.children[index].querySelectorAll(".corner, input");
      button.setAttribute("aria-label", `${this.where(index)}. ${t.camera.corner_keys}`);
      if (document.activeElement !== across) across.value = corner[0];
      if (document.activeElement !== down) down.value = corner[1];
    });
  }

  row(index) {
    const button = make("button", { type: "button", class: "corner" }, fill(t.camera.corner, { number: index + 1 }));
    const remove = make("button", { type: "button", "aria-label": fill(t.camera.remove_corner, { number: index + 1 }) }, "×");
    const numbers = [t.camera.across, t.camera.down].map((word, axis) => {
      const input = make("input", { type: "number", min: 0, max: 1, step: FINE, "aria-label": `${fill(t.camera.corner, { number: index + 1 })}, ${word}` });
      input.addEventListener("change", () => {
        this.move(index, axis, Number(input.value));
        input.value = this.corners[index][axis];
      });
      return make("label", {}, `${word} `, input);
    });
    button.addEventListener("keydown", (key) => this.press(key, index));
    button.addEventListener("click", () => this.choose(index));
    remove.addEventListener("click", () => this.remove(index));
    const made = make("li", {}, button, ...numbers, remove);
    made.addEventListener("focusin", () => this.choose(index));
    return made;
  }

  press(key, index) {
    if (key.key === "Delete" || key.key === "Backspace") {
      key.preventDefault();
      this.remove(index);
    }
    const move = MOVES[key.key];
    if (move === undefined) return;
    key.preventDefault(); // the page would scroll
    const axis = move[0] === 0 ? 1 : 0;
    this.move(index, axis, this.corners[index][axis] + move[axis] * (key.shiftKey ? FINE : STEP));
  }

  move(index, axis, value) {
    this.corners[index][axis] = within(Number.isFinite(value) ? value : 0);
    this.changed();
    say(this.where(index));
  }

  // Add one where there is place: a square first, then between the last and the first.
  add() {
    const last = this.corners.at(-1);
    const placed = FIRST[this.corners.length] ?? [0, 1].map((axis) => within((last[axis] + this.corners[0][axis]) / 2));
    this.corners.push([...placed]);
    this.changed();
    this.place.lastChild.querySelector(".corner").focus();
    say(this.where(this.corners.length - 1));
  }

  remove(index) {
    this.corners.splice(index, 1);
    this.changed();
    say(fill(t.camera.corner_removed, { number: index + 1, count: this.corners.length }));
    const next = this.place.children[Math.min(index, this.corners.length - 1)];
    (next?.querySelector(".corner") ?? this.afterLast).focus();
  }

  choose(index) {
    this.chosen = index;
    this.changed();
  }

  where(index) {
    const [across, down] = this.corners[index];
    return fill(t.camera.corner_at, { number: index + 1, across: percent(across), down: percent(down) });
  }
}
