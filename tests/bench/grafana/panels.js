// One panel, with the component that Grafana itself draws it with where its packages hold one.

import { getFieldDisplayName, reduceField } from "@grafana/data";
import { BigValue, Table, TimeSeries } from "@grafana/ui";
import { createElement as h } from "react";
import { Heat, Timeline } from "./stand_ins.js";

const lasting = (field) => reduceField({ field, reducers: ["lastNotNull"] }).lastNotNull;

function Stat({ panel, frames, width, height, theme }) {
  const shown = frames.flatMap((frame) => frame.fields.filter((field) => field.type === "number").map((field) => [field, frame]));
  if (!shown.length) return h(Empty, { panel, width, height });
  const { colorMode, justifyMode, textMode } = panel.options;
  return h(
    "div",
    { style: { display: "flex", width, height } },
    shown.map(([field, frame], place) =>
      h(BigValue, {
        key: place,
        value: { ...field.display(lasting(field)), title: getFieldDisplayName(field, frame, frames) },
        width: width / shown.length,
        height,
        colorMode,
        graphMode: "none",
        justifyMode,
        textMode: textMode === "auto" && shown.length === 1 ? "value" : "value_and_name",
        count: shown.length,
        theme,
      }),
    ),
  );
}

function Empty({ panel, width, height }) {
  const style = { width, height, display: "grid", placeItems: "center", opacity: 0.7 };
  return h("div", { style }, panel.fieldConfig.defaults.noValue ?? "No data");
}

function Curves({ panel, frames, width, height, range }) {
  const hasData = frames.some((frame) => frame.fields.some((field) => field.type === "number" && field.values.some((value) => value !== null)));
  if (!hasData) return h(Empty, { panel, width, height });
  return h(TimeSeries, { frames, width, height, timeRange: range, timeZone: "utc", legend: panel.options.legend, options: panel.options });
}

function Rows({ panel, frames, width, height }) {
  if (!frames.length || !frames[0].length) return h(Empty, { panel, width, height });
  return h(Table, { data: frames[0], width, height, cellHeight: panel.options.cellHeight, noHeader: !panel.options.showHeader });
}

export const KINDS = { stat: Stat, timeseries: Curves, table: Rows, heatmap: Heat, "state-timeline": Timeline };
