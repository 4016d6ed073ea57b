// What every page has: the texts, the clock, the connection to the server with its word when it is lost, logging out.

export const start = JSON.parse(document.getElementById("start").textContent);
export const t = start.texts;

const SILENT_S = 14; // the server says something every five seconds
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
let offset_s = start.now - Date.now() / 1000;
let heard = performance.now();
let lostSince = null;
let trouble = "";
let isShutOut = false; // the login is over

// Seconds since 1970 by the server's clock: a phone's own clock may be wrong by minutes.
export const now = () => Date.now() / 1000 + offset_s;

export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

const locale = document.documentElement.lang;
const clockOf = (options) => new Intl.DateTimeFormat(locale, { timeZone: start.time_zone, hourCycle: "h23", ...options });
const timeOnly = clockOf({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndTime = clockOf({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayOnly = clockOf({ year: "numeric", month: "2-digit", day: "2-digit" });

// The time of day by the site's clocks, with the date where it is not today's.
export function timeText(seconds) {
  const date = new Date(1000 * seconds);
  const today = dayOnly.format(new Date(1000 * now()));
  return (dayOnly.format(date) === today ? timeOnly : dayAndTime).format(date);
}

export function spanText(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;

// Make an element: make("p", {class: "x"}, "text", otherElement).
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A state said by shape, colour and word.
export const chip = (kind, word) => make("span", { class: `chip is-${kind}` }, make("span", { class: "shape", "aria-hidden": "true" }), word);

export function say(text) {
  document.getElementById("said").textContent = text;
}

const listeners = {};
export function on(name, listener) {
  (listeners[name] ??= []).push(listener);
}

// Listen to the server while the page is visible; what was missed comes with the next connection.
let source = null;
let after = start.after; // number of the last change of an event that is known here
let pause_ms = FIRST_PAUSE_MS;
function listen() {
  if (source !== null || document.hidden) return;
  const opened = (source = new EventSource(after === null ? "/api/v1/changes" : `/api/v1/changes?after=${after}`));
  opened.addEventListener("open", () => {
    pause_ms = FIRST_PAUSE_MS;
    isShutOut = false;
  });
  opened.addEventListener("error", () => {
    if (opened.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(() => listenAgain(opened), pause_ms);
    pause_ms = Math.min(LONGEST_PAUSE_MS, 2 * pause_ms);
  });
  for (const name of ["cards", "gone", "event", "beat"]) {
    source.addEventListener(name, (message) => {
      heard = performance.now();
      if (name === "event") after = Number(message.lastEventId);
      const data = JSON.parse(message.data);
      if (name === "beat") {
        offset_s = data.at - Date.now() / 1000;
        trouble = data.trouble;
      }
      for (const listener of listeners[name] ?? []) listener(data);
      tick();
    });
  }
}

// A browser gives up for good on an answer such as a proxy's 502 while the page restarts; it does not say which it was.
async function listenAgain(closed) {
  const answer = await fetch("/api/v1/openapi.json", { method: "HEAD" }).catch(() => null);
  if (source !== closed) return; // out of sight meanwhile
  isShutOut = answer?.status === 401;
  source = null;
  listen();
}

export const isLost = () => lostSince !== null;

function tick() {
  const clock = document.getElementById("clock");
  if (clock) clock.textContent = timeOnly.format(new Date(1000 * now()));
  if (source === null) return;
  const silent_s = (performance.now() - heard) / 1000;
  if (silent_s > SILENT_S && lostSince === null) lostSince = now() - silent_s;
  if (silent_s <= SILENT_S) lostSince = null;
  const box = document.getElementById("trouble");
  let said = "";
  if (isShutOut) said = t.site.shut_out;
  else if (lostSince !== null) said = fill(t.site.lost, { time: timeText(lostSince) });
  else if (trouble) said = t.site[`${trouble}_away`];
  if (box.textContent !== said) box.textContent = said;
  box.hidden = said === "";
  document.body.classList.toggle("lost", lostSince !== null);
}

export async function send(path, method, body) {
  const answer = await fetch(path, {
    method,
    headers: { "content-type": "application/json", "x-maskwatch-write": start.write_token },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(typeof said.detail === "string" ? said.detail : `${answer.status}`);
  }
  return answer.status === 204 ? null : answer.json();
}

document.getElementById("log-out")?.addEventListener("click", async () => {
  await send("/logout", "POST");
  location.assign("/login");
});

if (document.body.dataset.page !== "login") {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else {
      heard = performance.now();
      listen();
    }
  });
  listen();
}
setInterval(tick, 1000);
tick();
if ("serviceWorker" in navigator && window.isSecureContext) navigator.serviceWorker.register("/service-worker.js");
