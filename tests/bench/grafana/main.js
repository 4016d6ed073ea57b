// Draws one dashboard as it is in dashboard/grafana/*.json: `?board=compliance`. /setting.json says from when to when.

import { createTheme, dateTime, getDefaultTimeRange, ThemeContext } from "@grafana/data";
import { GlobalStyles, PanelChrome } from "@grafana/ui";
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";
import { fill, framesOf } from "./data.js";
import { KINDS } from "./panels.js";

const [WIDTH, UNIT, GAP, ABOVE] = [1400, 30, 8, 44];
const theme = createTheme({ colors: { mode: "light" } });
const asked = async (path) => (await fetch(path)).json();

const setting = await asked("/setting.json");
const board = await asked(`/boards/${new URLSearchParams(location.search).get("board")}.json`);
const { begin, end } = setting;
const range = { from: dateTime(1000 * begin), to: dateTime(1000 * end), raw: getDefaultTimeRange().raw };

function place({ x, y, w, h: tall }) {
  const column = (WIDTH - GAP) / 24;
  return { position: "absolute", left: GAP + x * column, top: ABOVE + y * (UNIT + GAP), width: w * column - GAP, height: tall * (UNIT + GAP) - GAP };
}

function panel(each, frames) {
  const where = place(each.gridPos);
  const title = fill(each.title, setting.variables);
  if (each.type === "row") return h("h3", { key: each.id, style: { ...where, fontSize: 15, fontWeight: 400, margin: 0, paddingTop: 5 } }, `⌄ ${title}`);
  const draw = (width, height) => h(KINDS[each.type], { panel: each, frames, width, height, range, theme });
  return h("div", { key: each.id, style: where }, h(PanelChrome, { title, width: where.width, height: where.height, children: draw }));
}

const panels = await Promise.all(
  board.panels.map(async (each) => panel(each, each.type === "row" ? [] : await framesOf(each, setting, theme))),
);
const bottom = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
const style = { position: "relative", width: WIDTH + GAP, height: ABOVE + bottom * (UNIT + GAP) + GAP, background: theme.colors.background.canvas };
createRoot(document.getElementById("root")).render(
  h(ThemeContext.Provider, { value: theme }, h(GlobalStyles), h("div", { id: "board", style }, h("h1", { style: { position: "absolute", left: 14, top: 8, fontSize: 18, fontWeight: 400 } }, board.title), panels)),
);
