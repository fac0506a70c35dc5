// How the server does: numbers, and charts of the samples that this page has taken since it was opened.
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { call } from "./server.js";
import { brief, bytes, count, length, rate, secondsOf } from "./words.js";

const EVERY = 2_000;
const KEPT = 150;

/** Samples outlive the view, so that looking at a session does not empty the charts. */
const samples = [];

/** Opens the view. Returns what ends it. */
export function overviewView(root, _query, page) {
  let timer;
  let isOpen = true;
  const body = h("div", { class: "charts" }, h("p", { class: "soft loading" }, "Loading …"));
  root.append(h("div", { class: "heading" }, h("div", {}, h("h1", { tabindex: "-1" }, "Overview"))), body);
  const look = async () => {
    try {
      const statistics = await call("GetStatistics");
      if (!isOpen) return;
      keep(statistics);
      body.replaceChildren(...shown(statistics));
      timer = setTimeout(look, EVERY);
    } catch (error) {
      if (isOpen) page.fail(error, body, look);
    }
  };
  look();
  return () => {
    isOpen = false;
    clearTimeout(timer);
  };
}

function keep(statistics) {
  const last = samples.at(-1);
  // After a restart the counts begin anew.
  if (last && last.statistics.start_time !== statistics.start_time) samples.length = 0;
  const sample = { time: Date.now(), statistics, ...since(samples.at(-1), statistics) };
  samples.push(sample);
  if (samples.length > KEPT) samples.shift();
}

/** What happened between two samples. Nothing is known before the second one. */
function since(last, now) {
  const unknown = { calls: null, failed: null, created: null, ended: null, half: null, most: null };
  if (!last) return unknown;
  const seconds = (Date.parse(now.current_time) - Date.parse(last.statistics.current_time)) / 1000;
  if (!(seconds > 0)) return unknown;
  const perSecond = (read) => Math.max(0, read(now) - read(last.statistics)) / seconds;
  const durations = now.calls.durations.map(({ up_to, count }, place) => ({
    up_to,
    count: count - last.statistics.calls.durations[place].count,
  }));
  return {
    calls: perSecond(({ calls }) => calls.count),
    failed: perSecond(({ calls }) => calls.failed),
    created: perSecond(({ created }) => created),
    ended: perSecond(({ expired }) => expired),
    half: quantile(durations, 0.5),
    most: quantile(durations, 0.99),
  };
}

/** The duration that this part of all calls did not exceed, as far as the ranges tell; `null` without calls. */
function quantile(durations, part) {
  const all = durations.reduce((sum, { count }) => sum + count, 0);
  if (all === 0) return null;
  let [low, left] = [0, all * part];
  for (const { up_to: high, count } of durations) {
    if (count >= left) return high === null ? low : low + (high - low) * (left / count);
    left -= count;
    low = high ?? low;
  }
  return low;
}

function shown(now) {
  const times = samples.map(({ time }) => time);
  const values = (read) => samples.map(read);
  const last = samples.at(-1);
  const lag = secondsOf(now.sweeper_lag);
  const charts = [
    {
      title: "Calls",
      unit: "per second",
      words: rate,
      from: 1,
      lines: [
        { name: "all", class: "one", values: values(({ calls }) => calls) },
        { name: "failed", class: "bad", values: values(({ failed }) => failed) },
      ],
    },
    {
      title: "Latency",
      unit: "in the server",
      words: brief,
      from: 0.0001,
      lines: [
        { name: "half within", class: "one", values: values(({ half }) => half) },
        { name: "99% within", class: "two", values: values(({ most }) => most) },
      ],
    },
    {
      title: "Sessions",
      unit: "per second",
      words: rate,
      from: 1,
      lines: [
        { name: "created", class: "one", values: values(({ created }) => created) },
        { name: "expired", class: "two", values: values(({ ended }) => ended) },
      ],
    },
    {
      title: "Disk",
      words: bytes,
      from: 1024,
      base: 1024,
      lines: [{ name: "data folder", class: "one", values: values(({ statistics }) => statistics.disk_bytes) }],
    },
    {
      title: "Sweeper lag",
      words: brief,
      from: 1,
      lines: [
        { name: "behind by", class: "one", values: values(({ statistics }) => secondsOf(statistics.sweeper_lag)) },
      ],
    },
    {
      title: "Memory",
      words: bytes,
      from: 1024,
      base: 1024,
      lines: [{ name: "resident", class: "one", values: values(({ statistics }) => statistics.memory_bytes) }],
    },
  ];
  const parts = [
    h(
      "dl",
      { class: "figures" },
      figure("Sessions", count(now.sessions)),
      figure("Calls per second", last.calls === null ? "–" : rate(last.calls)),
      figure("99% answered within", last.most === null ? "–" : brief(last.most)),
      figure("Watchers", count(now.watchers)),
      figure("Events kept", count(now.events_kept)),
      figure("Up for", length((Date.parse(now.current_time) - Date.parse(now.start_time)) / 1000)),
    ),
    troubles(now, lag),
    h(
      "div",
      { class: "grid" },
      charts.map((one) => chart({ ...one, times })),
    ),
    namespaces(now.namespaces),
  ];
  return parts.filter(Boolean);
}

function figure(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

/** What an operator should know, if there is anything. */
function troubles(now, lag) {
  const found = [
    now.met_damage > 0 && `${count(now.met_damage)} requests have met damaged data: check it with sessiond verify.`,
    now.storage_stalls > 0 && `The storage has made no progress ${count(now.storage_stalls)} times: look at the disk.`,
    now.refused_for_space > 0 &&
      `${count(now.refused_for_space)} writes were refused for lack of disk space: make room.`,
    lag > 60 && "The sweeper is behind. Sessions expire on time all the same; their space is freed late.",
  ].filter(Boolean);
  return (
    found.length > 0 &&
    h(
      "ul",
      { class: "troubles" },
      found.map((text) => h("li", {}, text)),
    )
  );
}

function namespaces(list) {
  if (list.length === 0) return h("p", { class: "soft" }, "There are no sessions yet.");
  const most = Math.max(...list.map(({ sessions }) => sessions), 1);
  const row = ({ namespace, sessions }) =>
    h(
      "li",
      {},
      h("a", { href: `#/sessions?${new URLSearchParams({ namespace })}` }, namespace),
      h("meter", { min: 0, max: most, value: sessions, "aria-hidden": "true" }),
      h("span", {}, count(sessions)),
    );
  return h(
    "section",
    { class: "namespaces" },
    h("h2", {}, "Namespaces"),
    h("ul", {}, list.toSorted((one, other) => other.sessions - one.sessions).map(row)),
  );
}
