// Asks Prometheus what a panel asks for, and turns the answers into the data frames that Grafana's own code works on.

import { applyFieldOverrides, FieldConfigOptionsRegistry, FieldType, standardTransformers, standardTransformersRegistry, toDataFrame, transformDataFrame } from "@grafana/data";
import { firstValueFrom } from "rxjs";

const POINTS = 240; // of a curve
const BARS = 6;

standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((each) => [each.id, each])).values()].map((each) => ({ id: each.id, name: each.name, transformation: async () => each, imageDark: "", imageLight: "" })),
);

export const fill = (text, values) => text.replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)/g, (all, long, short) => values[long ?? short] ?? all);

const seconds = (text) => Number(text.slice(0, -1)) * { s: 1, m: 60, h: 3600, d: 86400 }[text.at(-1)];

async function ask(path, values) {
  const answer = await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(values)}`);
  const said = await answer.json();
  if (said.status !== "success") throw new Error(`${said.error}: ${values.query}`);
  return said.data.result;
}

function legend(target, labels) {
  return target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? "");
}

// One query of a panel over time: a frame for each series, with gaps where there was none.
async function curves(target, panel, { begin, end, variables }) {
  const span = end - begin; // of minutes: where a panel wants wider bars than a sixth of it, it gets those
  const step = Math.ceil(Math.max(Math.min(seconds(panel.interval ?? "1s"), span / BARS), span / POINTS));
  const first = Math.ceil(begin / step) * step;
  const query = fill(target.expr, { ...variables, __interval: `${step}s`, __rate_interval: `${Math.max(step, 30)}s`, __range: panel.timeFrom ?? `${end - begin}s` });
  const result = await ask("query_range", { query, start: first, end, step });
  const times = Array.from({ length: Math.floor((end - first) / step) + 1 }, (_, place) => 1000 * (first + place * step));
  return result.map(({ metric, values }) => {
    const found = new Map(values.map(([at, value]) => [Math.round(1000 * at), Number(value)]));
    const known = times.map((at) => (Number.isFinite(found.get(at)) ? found.get(at) : null));
    return toDataFrame({
      refId: target.refId,
      meta: { type: "timeseries-multi" },
      fields: [
        { name: "Time", type: FieldType.time, values: times, config: { interval: 1000 * step } },
        { name: "Value", type: FieldType.number, values: known, labels: metric, config: { displayNameFromDS: legend(target, metric) } },
      ],
    });
  });
}

// One query of a table: a row for each series, a column for each label.
async function rows(target, panel, { end, variables }) {
  const query = fill(target.expr, { ...variables, __range: panel.timeFrom ?? "1h", __interval: "1m", __rate_interval: "1m" });
  const result = await ask("query", { query, time: end });
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const value = panel.targets.length > 1 ? `Value #${target.refId}` : "Value";
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: result.map(() => 1000 * end) },
      ...labels.map((name) => ({ name, type: FieldType.string, values: result.map(({ metric }) => metric[name] ?? "") })),
      { name: value, type: FieldType.number, values: result.map((each) => Number(each.value[1])) },
    ],
  });
}

const property = (id, path, isCustom) => ({ id, path, isCustom, name: id, override: () => null, editor: () => null, process: (value) => value, shouldApply: () => true });

// Which properties of fields there are: in Grafana each kind of panel says that.
function registry({ fieldConfig: { defaults, overrides } }) {
  const plain = ["displayName", "unit", "decimals", "min", "max", "thresholds", "mappings", "color", "links", "noValue"];
  const own = new Set(Object.keys(defaults.custom));
  for (const { properties } of overrides) for (const { id } of properties) if (id.startsWith("custom.")) own.add(id.slice(7));
  return new FieldConfigOptionsRegistry(() => [...plain.map((name) => property(name, name, false)), ...[...own].map((name) => property(`custom.${name}`, name, true))]);
}

export async function framesOf(panel, setting, theme) {
  const asked = await Promise.all(panel.targets.map((target) => (target.format === "table" ? rows : curves)(target, panel, setting)));
  const transformed = await firstValueFrom(transformDataFrame(panel.transformations, asked.flat(), { interpolate: (text) => fill(text, setting.variables) }));
  return applyFieldOverrides({ data: transformed, fieldConfig: panel.fieldConfig, replaceVariables: (text) => fill(text, setting.variables), theme, timeZone: "utc", fieldConfigRegistry: registry(panel) });
}
