// Draws zones and privacy masks over the picture, and writes what belongs into the settings. Nothing is sent anywhere.

import { say, t } from "./frame.js";

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const rounded = (value) => Math.round(1000 * value) / 1000;

export class ZoneEditor {
  constructor(place, camera, { zones, privacy_masks }) {
    this.camera = camera;
    this.shapes = [
      ...zones.map((zone) => ({ kind: zone.mode, name: zone.name, corners: zone.polygon })),
      ...privacy_masks.map((corners) => ({ kind: "mask", name: "", corners })),
    ];
    this.corners = null; // of the shape being drawn
    this.layer = document.createElementNS(SVG, "svg");
    this.layer.setAttribute("class", "zones");
    this.layer.setAttribute("viewBox", "0 0 1 1");
    this.layer.setAttribute("preserveAspectRatio", "none");
    this.layer.setAttribute("aria-hidden", "true");
    this.place = place;
    place.append(this.layer);
    new ResizeObserver(() => this.fit()).observe(place);
    new MutationObserver(() => this.fit()).observe(place.querySelector("canvas"), { attributes: true });
    this.layer.addEventListener("click", (click) => this.add(click));
    byId("shape-start").addEventListener("click", () => this.begin(this.corners === null ? [] : null));
    byId("shape-undo").addEventListener("click", () => this.undo());
    byId("shape-done").addEventListener("click", () => this.finish());
    byId("shape-remove").addEventListener("click", () => this.remove());
    byId("copy").addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId("snippet").value);
      say(t.camera.copied);
    });
    this.fit();
    this.draw();
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

  begin(corners) {
    this.corners = corners;
    byId("shape-start").setAttribute("aria-pressed", String(corners !== null));
    this.layer.classList.toggle("is-drawing", corners !== null);
    this.draw();
  }

  add(click) {
    if (this.corners === null) return;
    const box = this.layer.getBoundingClientRect();
    this.corners.push([rounded((click.clientX - box.left) / box.width), rounded((click.clientY - box.top) / box.height)]);
    this.draw();
  }

  undo() {
    this.corners?.pop();
    this.draw();
  }

  finish() {
    if (this.corners === null || this.corners.length < 3) {
      say(t.camera.three);
      return;
    }
    const kind = byId("shape-kind").value;
    this.shapes.push({ kind, name: byId("shape-name").value.trim() || `${kind}-${this.shapes.length + 1}`, corners: this.corners });
    byId("shape-name").value = "";
    this.begin(null);
  }

  remove() {
    this.shapes.pop();
    this.draw();
  }

  draw() {
    this.layer.replaceChildren(...this.shapes.map((shape) => polygon(shape.corners, `zone is-${shape.kind}`)), ...(this.corners ? [polygon(this.corners, "zone is-new")] : []));
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

function polygon(corners, kind) {
  const made = document.createElementNS(SVG, "polygon");
  made.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  made.setAttribute("class", kind);
  return made;
}
