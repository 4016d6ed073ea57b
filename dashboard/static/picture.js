// One canvas with a camera's newest picture, its boxes, and the truth about its age.

import { fill, isLost, make, spanText, start, t } from "./frame.js";

const DASHES = { mask: [], no_mask: [], incorrect: [0.05, 0.03], unknown: [0.012, 0.02] };

export class LivePicture {
  constructor(camera) {
    this.camera = camera;
    this.at = null; // performance.now() at which the picture was taken
    this.faces = "";
    this.canvas = make("canvas", { role: "img", width: 480, height: 270, "aria-label": t.wall.waiting });
    this.age = make("span", { class: "age" }, t.wall.waiting);
    this.element = make("div", { class: "picture is-waiting" }, this.canvas, this.age);
  }

  show({ bitmap, head, at }) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.max(1, Math.min(bitmap.width, Math.round(this.element.clientWidth * ratio)));
    const height = Math.round((width * bitmap.height) / bitmap.width);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0, width, height);
    for (const face of head.faces) this.drawFace(context, face, width / head.width, height / head.height, ratio);
    this.at = at;
    this.describe(head.faces);
    this.tick();
  }

  drawFace(context, face, across, down, ratio) {
    const [left, top, right, bottom] = face.box;
    const box = [left * across, top * down, (right - left) * across, (bottom - top) * down];
    const line = ratio * (face.state === "no_mask" ? 3 : 2);
    const colour = getComputedStyle(document.body).getPropertyValue(`--box-${face.state.replace("_", "-")}`).trim();
    const side = this.canvas.width;
    context.setLineDash(DASHES[face.state].map((part) => part * side));
    context.lineWidth = line + 2 * ratio;
    context.strokeStyle = "rgba(0, 0, 0, 0.55)";
    context.strokeRect(...box);
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.strokeRect(...box);
    context.setLineDash([]);
    const text = t.faces[face.state];
    const size = Math.max(10, Math.min(15, side / ratio / 34)) * ratio;
    context.font = `600 ${size}px system-ui, sans-serif`;
    const wide = context.measureText(text).width + size * 0.8;
    const tall = size * 1.45;
    const x = Math.max(0, Math.min(box[0] - line / 2, side - wide));
    const y = box[1] - tall >= 0 ? box[1] - tall : Math.min(box[1] + box[3], this.canvas.height - tall);
    context.fillStyle = colour;
    context.fillRect(x, y, wide, tall);
    context.fillStyle = "#fff";
    context.textBaseline = "middle";
    context.fillText(text, x + size * 0.4, y + tall / 2);
  }

  // Say in words what the picture shows, for those who hear it.
  describe(faces) {
    const counts = {};
    for (const face of faces) counts[face.state] = (counts[face.state] ?? 0) + 1;
    const said = Object.entries(counts).map(([state, count]) => `${count} × ${t.faces[state]}`).join(", ");
    if (said === this.faces && this.canvas.dataset.said) return;
    this.faces = said;
    this.canvas.dataset.said = "yes";
    this.canvas.setAttribute("aria-label", fill(t.wall.picture_of, { camera: this.camera, faces: said || t.wall.nobody }));
  }

  // Grey what is old, and say how old it is. Returns whether the picture is live.
  tick() {
    const age_s = this.at === null ? null : (performance.now() - this.at) / 1000;
    const isLive = age_s !== null && age_s <= start.limit_s && !isLost();
    this.element.classList.toggle("is-waiting", age_s === null);
    this.element.classList.toggle("is-stale", age_s !== null && !isLive);
    this.element.classList.toggle("is-live", isLive);
    let said = start.shows_people ? t.wall.waiting : t.wall.no_picture;
    if (isLive) said = `${t.wall.live} · ${age_s.toFixed(1)} s`;
    else if (age_s !== null) said = fill(t.wall.old, { span: spanText(age_s) });
    if (this.age.textContent !== said) this.age.textContent = said;
    return isLive;
  }
}
