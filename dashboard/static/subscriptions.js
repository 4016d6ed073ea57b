// Sends marked tests, and says what became of each: in its row, and to those who listen to the page.

import { fill, now, say, send, t, timeText } from "./frame.js";

const WITHIN_S = 30;
const LOOK_EVERY_MS = 500;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function test(name) {
  const path = `/api/v1/subscriptions/${encodeURIComponent(name)}/test`;
  let row = await send(path, "POST");
  const giveUpAt = performance.now() + 1000 * WITHIN_S;
  while (row.state === "waiting" && performance.now() < giveUpAt) {
    await pause(LOOK_EVERY_MS);
    row = await send(`${path}/${row.key}`, "GET");
  }
  if (row.state === "waiting") row = await send(`${path}/${row.key}`, "DELETE");
  if (row.state === "sent") return fill(t.channels.arrived, { time: timeText(now()) });
  return row.error ? fill(t.channels.not_arrived, { error: row.error }) : fill(t.channels.nobody_sent, { seconds: WITHIN_S });
}

for (const button of document.querySelectorAll("[data-test]")) {
  const name = button.dataset.test;
  const outcome = button.parentElement.querySelector(".outcome");
  const tell = (text) => {
    outcome.textContent = text;
    say(`${name}: ${text}`);
  };
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // `disabled` would take the keyboard's place away
    tell(t.channels.testing);
    try {
      tell(await test(name));
    } catch (error) {
      tell(fill(t.channels.cannot_test, { error: error.message }));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
