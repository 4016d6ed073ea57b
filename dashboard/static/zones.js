// Draws zones and privacy masks over the picture, by pointer or by keyboard, and writes what belongs into the settings.
// Nothing is sent anywhere.

import { Corners, rounded } from "./corners.js";
import { fill, make, say, t } from "./frame.js";

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

export class ZoneEditor {
  constructor(place, camera, { zones, privacy_masks }) {
    this.camera = camera;
    this.shapes = [
      ...zones.map((zone) => ({ kind: zone.mode, name: zone.name, corners: zone.polygon })),
      ...privacy_masks.map((corners) => ({ kind: "mask", name: "", corners })),
    ];
    this.corners = null; // of the shape being drawn
    this.rows = new Corners(byId("corners"), () => this.draw(), byId("corner-add"));
    this.layer = document.createElementNS(SVG, "svg");
    this.layer.setAttribute("class", "zones");
    this.layer.setAttribute("viewBox", "0 0 1 1");
    this.layer.setAttribute("preserveAspectRatio", "none");
    this.layer.setAttribute("aria-hidden", "true"); // the rows say the same
    this.place = place;
    place.append(this.layer);
    new ResizeObserver(() => this.fit()).observe(place);
    new MutationObserver(() => this.fit()).observe(place.querySelector("canvas"), { attributes: true });
    this.layer.addEventListener("click", (click) => this.point(click));
    byId("shape-start").addEventListener("click", () => this.begin(this.corners === null ? [] : null));
    byId("corner-add").addEventListener("click", () => this.add());
    byId("shape-done").addEventListener("click", () => this.finish());
    byId("copy").addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId("snippet").value);
      say(t.camera.copied);
    });
    this.fit();
    this.draw();
    this.list();
  }

  // Lie exactly over the picture, which may have bars beside or above it.
  fit() {
    const canvas = this.place.querySelector("canvas");
    const scale = Math.min(this.place.clientWidth / canvas.width, this.place.clientHeight / canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    this.layer.style.width = `${width}px`;
    this.layer.style.height = `${height}px`;
    this.layer.style.left = `${(this.place.clientWidth - width) / 2}px`;
    this.layer.style.top = `${(this.place.clientHeight - height) / 2}px`;
  }

  // Begin to draw these corners, or put away what was being drawn.
  begin(corners) {
    this.corners = corners;
    this.rows.chosen = -1;
    byId("shape-start").setAttribute("aria-pressed", String(corners !== null));
    this.layer.classList.toggle("is-drawing", corners !== null);
    this.draw();
    say(corners === null ? t.camera.put_away : t.camera.drawing);
  }

  point(click) {
    if (this.corners === null) return;
    const box = this.layer.getBoundingClientRect();
    this.corners.push([rounded((click.clientX - box.left) / box.width), rounded((click.clientY - box.top) / box.height)]);
    this.draw();
  }

  add() {
    if (this.corners === null) this.begin([]);
    this.rows.add();
  }

  finish() {
    if (this.corners === null || this.corners.length < 3) {
      say(t.camera.three);
      return;
    }
    const kind = byId("shape-kind").value;
    const shape = { kind, name: byId("shape-name").value.trim() || `${kind}-${this.shapes.length + 1}`, corners: this.corners };
    this.shapes.push(shape);
    byId("shape-name").value = "";
    this.begin(null);
    this.list();
    say(fill(t.camera.finished, { shape: title(shape) }));
    byId("shape-start").focus();
  }

  // Take a shape up again, to be changed; Done puts it back.
  change(shape) {
    this.shapes.splice(this.shapes.indexOf(shape), 1);
    byId("shape-kind").value = shape.kind;
    byId("shape-name").value = shape.name;
    this.begin(shape.corners.map((corner) => [...corner]));
    this.list();
    byId("corners").querySelector(".corner").focus();
  }

  remove(shape) {
    this.shapes.splice(this.shapes.indexOf(shape), 1);
    this.draw();
    this.list();
    say(fill(t.camera.removed, { shape: title(shape) }));
    byId("shape-start").focus();
  }

  list() {
    const button = (word, shape, act) => {
      const made = make("button", { type: "button", "aria-label": `${word}: ${title(shape)}` }, word);
      made.addEventListener("click", act);
      return made;
    };
    const rows = this.shapes.map((shape) => make("li", {}, make("span", {}, title(shape)), button(t.camera.change, shape, () => this.change(shape)), button(t.camera.remove, shape, () => this.remove(shape))));
    byId("shapes").replaceChildren(...rows);
  }

  draw() {
    this.rows.show(this.corners);
    const chosen = this.corners?.[this.rows.chosen];
    this.layer.replaceChildren(
      ...this.shapes.map((shape) => polygon(shape.corners, `zone is-${shape.kind}`)),
      ...(this.corners ? [polygon(this.corners, "zone is-new"), ...this.corners.map((corner) => dot(corner, corner === chosen))] : []),
    );
    byId("snippet").value = this.yaml();
  }

  yaml() {
    const points = (corners) => `[${corners.map(([x, y]) => `[${x}, ${y}]`).join(", ")}]`;
    const zones = this.shapes.filter((shape) => shape.kind !== "mask");
    const masks = this.shapes.filter((shape) => shape.kind === "mask");
    const lines = [`  - id: ${this.camera}`];
    if (zones.length) lines.push("    zones:", ...zones.map((zone) => `      - {name: ${JSON.stringify(zone.name)}, mode: ${zone.kind}, polygon: ${points(zone.corners)}}`));
    if (masks.length) lines.push("    privacy_masks:", ...masks.map((mask) => `      - ${points(mask.corners)}`));
    if (!this.shapes.length) lines.push("    zones: []");
    return lines.join("\n");
  }
}

const title = (shape) => [t.camera[shape.kind], shape.name].filter(Boolean).join(", ");

function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const polygon = (corners, kind) => drawn("polygon", { points: corners.map((corner) => corner.join(",")).join(" "), class: kind });

// A line without length, with round ends: a circle would be stretched with the picture.
const dot = ([x, y], isChosen) => drawn("path", { d: `M ${x} ${y} h 0.00001`, class: `dot${isChosen ? " is-chosen" : ""}` });
