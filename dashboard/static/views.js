// Receives live pictures over one request for all cameras of a page, and gives each to whoever shows that camera.
// The format is described in dashboard/views.py.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const PREFIX = 16;

export class Views {
  // show(camera, {bitmap, head, at}): `at` is performance.now() less the age the picture had when the server sent it.
  constructor(show, { small }) {
    this.show = show;
    this.small = small;
    this.cameras = [];
    this.pause_ms = FIRST_PAUSE_MS;
    this.stop = null;
    document.addEventListener("visibilitychange", () => this.restart());
  }

  watch(cameras) {
    const wanted = [...cameras].sort();
    if (wanted.join() === this.cameras.join()) return;
    this.cameras = wanted;
    this.restart();
  }

  restart() {
    this.stop?.abort();
    this.stop = null;
    clearTimeout(this.again);
    if (document.hidden || this.cameras.length === 0) return;
    const stop = (this.stop = new AbortController());
    this.receive(stop.signal).catch(() => {}).finally(() => {
      if (stop.signal.aborted) return;
      this.again = setTimeout(() => this.restart(), this.pause_ms);
      this.pause_ms = Math.min(LONGEST_PAUSE_MS, 2 * this.pause_ms);
    });
  }

  async receive(signal) {
    const query = new URLSearchParams(this.cameras.map((camera) => ["camera", camera]));
    if (this.small) query.append("small", "true");
    const answer = await fetch(`/api/v1/views?${query}`, { signal });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const reader = answer.body.getReader();
    let held = new Uint8Array(0);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.pause_ms = FIRST_PAUSE_MS;
      held = joined(held, value);
      held = this.takeFrom(held);
    }
  }

  // Take every whole picture from the bytes, and return what is left.
  takeFrom(bytes) {
    let begin = 0;
    while (bytes.length - begin >= PREFIX) {
      const prefix = new DataView(bytes.buffer, bytes.byteOffset + begin, PREFIX);
      const [head, jpeg, sent] = [prefix.getUint32(0), prefix.getUint32(4), prefix.getFloat64(8)];
      if (bytes.length - begin < PREFIX + head + jpeg) break;
      const from = begin + PREFIX;
      this.decode(bytes.slice(from, from + head), bytes.slice(from + head, from + head + jpeg), sent);
      begin = from + head + jpeg;
    }
    return begin === 0 ? bytes : bytes.slice(begin);
  }

  async decode(head, jpeg, sent) {
    const about = JSON.parse(new TextDecoder().decode(head));
    const at = performance.now() - 1000 * Math.max(0, sent - about.captured_at);
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    this.show(about.camera, { bitmap, head: about, at });
    bitmap.close();
  }
}

function joined(first, second) {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
