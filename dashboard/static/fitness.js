// Can this camera judge masks? The share that could not be told in a day, and what is seen while the page is open:
// how large the faces are, how sharp, and how much light there is. Ends in what to do about it.

import { chip, fill, make, percent, t } from "./frame.js";

const KEPT = 200; // faces
const FEW = 10; // faces of which nothing is concluded
const SMALL_PX = 32; // the model card has figures from here on
const DARK = 0.15;
const BRIGHT = 0.88;
const MANY = 1 / 3;
const SHAPES = { good: "good", fair: "warn", poor: "bad", unknown: "unknown" };

export class Fitness {
  constructor() {
    this.faces = [];
    this.light = null;
    this.judging = null;
  }

  // Take in what one picture shows.
  see(faces, bitmap) {
    this.faces.push(...faces.map((face) => ({ height: face.box[3] - face.box[1], blur: face.blur })));
    this.faces.splice(0, Math.max(0, this.faces.length - KEPT));
    this.light = brightness(bitmap);
    this.show();
  }

  // Show the verdict, the figures it rests on, and what could be better.
  show(judging = this.judging) {
    this.judging = judging;
    if (judging === null) return;
    const verdict = judging.fitness;
    const advice = this.advice();
    document.getElementById("fitness").replaceChildren(
      make("p", {}, chip(SHAPES[verdict], t.fitness[verdict]), " ", t.fitness[`${verdict}_hint`]),
      ...(advice.length ? [make("ul", { class: "advice" }, ...advice.map((text) => make("li", {}, text)))] : []),
    );
    const facts = [
      [t.camera.faces, `${judging.faces}`],
      [t.camera.cannot_tell, judging.unknown_share === null ? t.wall.not_known : percent(judging.unknown_share)],
      [t.camera.smallest, fill(t.camera.pixels, { pixels: judging.min_face_px })],
      [t.camera.sizes, this.sizes()],
      [t.camera.blur, this.blur()],
      [t.camera.light, this.light === null ? t.wall.not_known : this.light < DARK ? t.camera.dark : this.light > BRIGHT ? t.camera.bright : t.camera.good_light],
    ];
    document.getElementById("measures").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  }

  sizes() {
    if (!this.faces.length) return t.camera.no_faces;
    const heights = this.faces.map((face) => Math.round(face.height)).sort((a, b) => a - b);
    return fill(t.camera.size_range, { least: heights[0], middle: heights[heights.length >> 1], most: heights.at(-1) });
  }

  blur() {
    const measured = this.faces.filter((face) => face.blur);
    if (!measured.length) return t.camera.no_faces;
    const share = (kind) => percent(measured.filter((face) => face.blur === kind).length / measured.length);
    return fill(t.camera.blur_shares, { sharp: share("sharp"), soft: share("soft"), blurred: share("blurred") });
  }

  advice() {
    const many = (test) => this.faces.length >= FEW && this.faces.filter(test).length > MANY * this.faces.length;
    return [
      many((face) => face.height < SMALL_PX) && t.fitness.small,
      many((face) => face.blur === "blurred") && t.fitness.blurred,
      this.light !== null && this.light < DARK && t.fitness.dark,
      this.light !== null && this.light > BRIGHT && t.fitness.bright,
    ].filter(Boolean);
  }
}

// The mean light of a picture, 0 to 1.
function brightness(bitmap) {
  const canvas = new OffscreenCanvas(16, 16);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, 16, 16);
  const pixels = context.getImageData(0, 0, 16, 16).data;
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4) sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
  return sum / 256 / 255;
}
