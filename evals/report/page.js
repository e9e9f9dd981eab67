"use strict";
// Draws the samples from the data inside the page. Text is only ever set as text, never as markup.
const lines = id => document.getElementById(id).textContent.split("\n").filter(line => line);
const pictures = lines("picture-data");
const samples = lines("sample-data").map(line => JSON.parse(line));
const PAGE = 40;
const chosen = { filters: {}, text: "", verdict: "", sort: "" };
let kept = [], drawn = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function look(record) {
  const figure = make("figure", { class: record.heat ? "look heat" : "look" });
  if (record.picture !== null) figure.append(make("img", { src: pictures[record.picture], alt: record.caption || "image", loading: "lazy" }));
  const [width, height] = record.size;
  const over = shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  for (const { kind, box, label, score } of record.boxes) {
    const [x0, y0, x1, y1] = box;
    for (const style of ["b halo", `b ${kind}`]) {
      const rect = shape("rect", { class: style, x: x0, y: y0, width: x1 - x0, height: y1 - y0 });
      const title = shape("title", {});
      title.textContent = `${kind}: ${label || "box"} [${box.join(", ")}]${score === null ? "" : ` score ${score.toFixed(2)}`}`;
      rect.append(title);
      over.append(rect);
    }
  }
  figure.append(over);
  if (record.caption) figure.append(make("figcaption", {}, record.caption));
  return figure;
}

const GOOD = new Set(["correct", "correct_absence"]);
const OPEN = new Set(["abstained", "no_box", "partly", "stopped", "read"]);
const tone = verdict => GOOD.has(verdict) ? "good" : OPEN.has(verdict) ? "open" : "bad";
const plain = name => name.replaceAll("_", " ");

function card(sample) {
  const looks = make("div", { class: sample.pictures.length > 1 ? "looks several" : "looks" }, ...sample.pictures.map(look));
  const facts = make("dl");
  const fact = (name, value) => { if (value !== null && value !== "" && value !== undefined) facts.append(make("dt", {}, name), make("dd", {}, String(value))); };
  sample.options.forEach((option, n) => fact(n ? "" : "options", `${String.fromCharCode(65 + n)}. ${option}`));
  fact("answer", sample.answer);
  if (sample.value !== null && sample.value !== sample.answer) fact("read as", sample.value);
  fact("truth", sample.target);
  const values = make("p", { class: "values" });
  // "accuracy plane=axial" repeats what the chips say
  for (const [name, value] of Object.entries(sample.values).filter(([name]) => !name.includes("="))) values.append(make("span", {}, `${name} `, make("b", {}, value.toFixed(3))));
  if (sample.group) fact("group", sample.group);
  if (sample.confidence !== null) fact("confidence", sample.confidence.toFixed(2));
  const chips = make("div", {}, make("span", { class: `chip ${tone(sample.verdict)}` }, plain(sample.verdict)));
  if (sample.stopped_by && sample.stopped_by !== "answer") chips.append(make("span", { class: "chip open" }, `stopped by ${sample.stopped_by}`));
  for (const [name, value] of Object.entries(sample.filters)) chips.append(make("span", { class: "chip plain" }, `${name} ${value}`));
  const told = make("div", { class: "told" }, make("div", { class: "id" }, sample.id), make("p", { class: "q" }, sample.prompt), chips, facts, values);
  if (sample.steps.length) told.append(steps(sample));
  return make("article", { class: "sample", id: `s-${sample.id}` }, looks, told);
}

function steps(sample) {
  const list = make("ol");
  for (const step of sample.steps) {
    const item = make("li", { class: step.ok ? "" : "failed" }, make("b", {}, step.tool), " ", make("code", {}, step.arguments));
    item.append(` ${step.seconds.toFixed(2)} s`);
    if (step.said) item.append(make("span", { class: "said" }, step.said));
    list.append(item);
  }
  const seconds = sample.seconds === null ? "" : `, ${sample.seconds.toFixed(1)} s`;
  return make("details", {}, make("summary", {}, `${sample.steps.length} steps${seconds}`), list);
}

function select(name, values, set) {
  const box = make("select", {}, make("option", { value: "" }, "all"), ...values.map(value => make("option", { value }, plain(value))));
  box.addEventListener("change", () => { set(box.value); refresh(); });
  return make("label", {}, plain(name), box);
}

function controls() {
  const bar = document.getElementById("controls");
  const count = names => Object.entries(names.reduce((seen, name) => ({ ...seen, [name]: (seen[name] || 0) + 1 }), {}));
  const verdicts = count(samples.map(s => s.verdict)).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  bar.append(select("outcome", verdicts, value => { chosen.verdict = value; }));
  for (const key of new Set(samples.flatMap(s => Object.keys(s.filters)))) {
    const values = [...new Set(samples.map(s => s.filters[key]).filter(v => v !== undefined))].sort();
    if (values.length > 1 && values.length <= 200) bar.append(select(key, values, value => { chosen.filters[key] = value; }));
  }
  const metrics = [...new Set(samples.flatMap(s => Object.keys(s.values)))].filter(name => !name.includes("="));
  const orders = metrics.flatMap(name => [`${name} ↑`, `${name} ↓`]);
  if (orders.length) bar.append(select("sort by", orders, value => { chosen.sort = value; }));
  const search = make("input", { type: "search", placeholder: "search words", "aria-label": "search words" });
  search.addEventListener("input", () => { chosen.text = search.value.toLowerCase(); refresh(); });
  bar.append(search, make("span", { id: "shown" }));
}

function fits(sample) {
  if (chosen.verdict && sample.verdict !== chosen.verdict) return false;
  if (Object.entries(chosen.filters).some(([key, value]) => value && sample.filters[key] !== value)) return false;
  return !chosen.text || `${sample.id} ${sample.prompt} ${sample.answer} ${sample.target}`.toLowerCase().includes(chosen.text);
}

function refresh() {
  kept = samples.filter(fits);
  if (chosen.sort) {
    const name = chosen.sort.slice(0, -2), sign = chosen.sort.endsWith("↑") ? 1 : -1;
    kept = kept.filter(s => name in s.values).sort((a, b) => sign * (a.values[name] - b.values[name]));
  }
  drawn = 0;
  document.getElementById("samples").replaceChildren();
  document.getElementById("shown").textContent = `${kept.length} of ${samples.length}`;
  more();
}

function more() {
  document.getElementById("samples").append(...kept.slice(drawn, drawn + PAGE).map(card));
  drawn += PAGE;
  document.getElementById("more").hidden = drawn >= kept.length;
}

document.getElementById("more").addEventListener("click", more);
controls();
refresh();
