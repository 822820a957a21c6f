const data = JSON.parse(document.getElementById("data").textContent);
const isComparison = data.rows.some((row) => row.runs.length > 1);
const STEP = 100;
const SEARCH_MS = 150;
const MOST_SHOWN = 200;
const SHOWN = 4;

function valueOf(row, place) {
  const values = row.runs.map((run) => run.measures[place]);
  if (!isComparison) return values[0];
  return values.includes(null) || values.includes(undefined) ? null : values[1] - values[0];
}

/* State: what is asked for, kept in the address. */

const DEFAULTS = { q: "", kind: "", language: "", tag: "", only: "", sort: "", turn: "", columns: "" };
const state = { ...DEFAULTS, open: new Set() };

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(DEFAULTS)) state[key] = given.get(key) ?? DEFAULTS[key];
  state.open = new Set(given.getAll("open"));
}

function writeAddress() {
  const said = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS)) if (state[key] !== DEFAULTS[key]) said.set(key, state[key]);
  for (const id of state.open) said.append("open", id);
  history.replaceState(null, "", "#" + (said.toString() || "cases"));
}

function columns() {
  const asked = state.columns ? state.columns.split("\n") : null;
  return data.measures.map((name, place) => place)
    .filter((place) => data.measures[place] === state.sort || (asked ? asked.includes(data.measures[place]) : place < SHOWN));
}

/* Which cases, in which order. */

for (const row of data.rows) {
  const texts = [row.id, row.question, ...row.answers, ...row.evidence.map((piece) => piece.document)];
  for (const run of row.runs) texts.push(run.answer ?? "", run.failure ? run.failure.message : "",
    ...run.passages.map((passage) => passage.document));
  row.words = texts.join("\n").toLowerCase();
}

const SHARE_SHOWN = data.measures.indexOf("evidence-R");
const ONLY = {
  failed: (row) => row.runs.some((run) => run.failure),
  refused: (row) => row.runs.some((run) => run.refused),
  wrong: (row) => row.runs.some((run) => run.refused != null && run.refused === (row.kind === "answerable")),
  unshown: (row) => row.runs.some((run) => run.measures[SHARE_SHOWN] < 1 && run.measures[SHARE_SHOWN] != null),
  missed: (row) => row.runs.some((run) => run.ranks.length && run.ranks.every((rank) => rank == null)),
  changed: (row) => data.measures.some((_, place) => valueOf(row, place)),
};

function chosen() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = data.rows.filter((row) =>
    (!state.kind || row.kind === state.kind) &&
    (!state.language || row.language === state.language) &&
    (!state.tag || row.tags.includes(state.tag)) &&
    (!ONLY[state.only] || ONLY[state.only](row)) &&
    words.every((word) => row.words.includes(word)));
  return sorted(rows);
}

/* The worst first: where less is better that is the highest; of a comparison the largest change. */
function sorted(rows) {
  let place = data.measures.indexOf(state.sort);
  if (place < 0) {
    if (!isComparison || state.sort === "order") return rows;
    const weigh = (row) => Math.max(0, ...data.measures.map((name, at) =>
      data.directions[at] && !data.units[at] ? Math.abs(valueOf(row, at) ?? 0) : 0));
    return keyed(rows, (row) => -weigh(row));
  }
  const sign = isComparison ? -1 : (data.directions[place] || 1);
  const turn = state.turn ? -1 : 1;
  return keyed(rows, (row) => {
    const value = valueOf(row, place);
    return value == null ? Infinity : turn * sign * (isComparison ? Math.abs(value) : value);
  });
}

function keyed(rows, weigh) {
  return rows.map((row, at) => [weigh(row), at, row])
    .sort((one, two) => (one[0] === two[0] ? one[1] - two[1] : one[0] - two[0]))
    .map((entry) => entry[2]);
}

/* The filters. */

function choice(label, key, values) {
  const options = values.map(([value, text]) => make("option", { value, selected: state[key] === value }, text));
  return make("label", {}, label,
    make("select", { name: key, onchange: (event) => set(key, event.target.value) }, options));
}

function count(pick) {
  const counts = new Map();
  for (const row of data.rows) for (const value of pick(row)) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [["", "all"], ...[...counts].sort().map(([value, number]) => [value, `${value} (${number})`])];
}

function controls() {
  const only = [["", "all cases"], ["failed", "failures"], ["refused", "refused"],
    ["wrong", "wrongly refused or answered"], ["missed", "evidence not found at all"]];
  if (SHARE_SHOWN >= 0) only.splice(-1, 0, ["unshown", "evidence not all in the prompt"]);
  if (isComparison) only.push(["changed", "changed"]);
  const orders = [["", isComparison ? "largest change" : "order of the cases"],
    ...(isComparison ? [["order", "order of the cases"]] : []), ...data.measures.map((name) => [name, name])];
  const parts = [
    make("label", {}, "Search", make("input", { type: "search", name: "q", value: state.q,
      oninput: (event) => search(event.target.value) })),
    choice("Show", "only", only)];
  for (const [label, key, pick] of [["Kind", "kind", (row) => [row.kind]],
    ["Language", "language", (row) => [row.language]], ["Tag", "tag", (row) => row.tags]]) {
    const values = count(pick);
    if (values.length > 2 || state[key]) parts.push(choice(label, key, values));
  }
  parts.push(choice(isComparison ? "Order by change in" : "Worst first by", "sort", orders));
  parts.push(make("button", { type: "button", name: "reset", onclick: reset }, "Reset"));
  return make("form", { role: "search", "aria-label": "Filter cases", onsubmit: (event) => event.preventDefault() }, parts);
}

function columnBoxes() {
  const boxes = data.measures.map((name, place) => make("label", { class: "box" },
    make("input", { type: "checkbox", value: name, checked: columns().includes(place), onchange: chooseColumns }), name));
  return make("details", {}, make("summary", {}, "Columns"), make("fieldset", { "aria-label": "Columns" }, boxes));
}

function chooseColumns(event) {
  const boxes = [...event.target.closest("fieldset").querySelectorAll("input")];
  set("columns", boxes.filter((box) => box.checked).map((box) => box.value).join("\n") || "\n");
}

function set(key, value) {
  state[key] = value;
  if (key === "sort") state.turn = "";
  writeAddress();
  list();
}

let waiting = 0;

function search(words) {
  clearTimeout(waiting);
  waiting = setTimeout(() => set("q", words), SEARCH_MS);
}

function reset() {
  clearTimeout(waiting);
  Object.assign(state, DEFAULTS, { open: new Set() });
  writeAddress();
  build();
  home.querySelector("button[name=reset]").focus();
}

/* The table: as many rows as can be seen, more when they are scrolled to. */

const home = document.getElementById("table");
const told = make("p", { class: "quiet", role: "status" });
const place = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Cases" });
const more = make("button", { type: "button", onclick: () => add() }, "Show more");
let rows = [], shown = 0, body = null;
new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && add(), { rootMargin: "600px" }).observe(more);

function build() {
  home.replaceChildren(controls(), columnBoxes(), leftOut(), told, place, more);
  list();
}

function leftOut() {
  const parts = [];
  const where = data.at ? `rows.jsonl in ${data.at}` : "the JSON of this report";
  if (data.rowsLeftOut) parts.push(`${data.rowsLeftOut} more cases`);
  if (data.textsLeftOut) parts.push(`the texts of ${data.textsLeftOut} passages`);
  return parts.length ? make("p", { class: "note" }, `Not in this page, which would be too large: ${parts.join(" and ")}; see ${where}.`) : "";
}

function list() {
  rows = chosen();
  shown = 0;
  body = make("tbody");
  place.replaceChildren(make("table", { class: "cases" }, make("thead", {}, make("tr", {}, heads())), body));
  told.textContent = `${rows.length} of ${data.rows.length} cases` + (rows.length ? "" : ": nothing fits, change or reset the filter");
  for (const box of home.querySelectorAll("fieldset input")) {
    box.checked = columns().includes(data.measures.indexOf(box.value));
    box.disabled = box.value === state.sort;
  }
  add();
}

function heads() {
  const measures = columns().map((at) => {
    const name = data.measures[at], isSorted = state.sort === name;
    const label = name + (isComparison ? " change" : "") + (isSorted ? (state.turn ? " ▲" : " ▼") : "");
    const title = isComparison ? "largest change first" : "worst first; again: best first";
    return make("th", { scope: "col", class: "number", "aria-sort": isSorted ? "other" : "none" },
      make("button", { type: "button", title, onclick: () => order(name) }, label));
  });
  return [make("th", { scope: "col" }, "case"), make("th", { scope: "col" }, "outcome"), ...measures];
}

function order(name) {
  const again = state.sort === name;
  state.turn = again && !state.turn ? "1" : "";
  state.sort = name;
  const select = home.querySelector("select[name=sort]");
  if (select) select.value = name;
  writeAddress();
  list();
  [...place.querySelectorAll("thead button")].find((button) => button.textContent.startsWith(name))?.focus();
}

function add() {
  if (!body) return;
  for (const row of rows.slice(shown, shown + STEP)) {
    body.append(line(row));
    if (state.open.has(row.id)) body.append(detail(row));
  }
  shown = Math.min(rows.length, shown + STEP);
  more.hidden = shown >= rows.length;
  more.textContent = `Show more (${rows.length - shown} left)`;
}

function line(row) {
  const open = make("button", { type: "button", class: "open", "aria-expanded": String(state.open.has(row.id)),
    onclick: (event) => toggle(row, event.currentTarget) }, clip(row.question));
  const values = columns().map((at) => make("td", { class: "number" }, cell(row, at)));
  return make("tr", {}, make("th", { scope: "row" }, open, make("small", { class: "quiet" }, ` ${row.id}`)),
    make("td", {}, row.runs.map((run) => outcome(row, run))), values);
}

function clip(text) {
  const characters = [...text.slice(0, 2 * MOST_SHOWN)];
  return text.length > MOST_SHOWN ? `${characters.slice(0, MOST_SHOWN).join("")}…` : text;
}

function cell(row, at) {
  const value = valueOf(row, at);
  if (!isComparison) return show(value);
  const [first, second] = row.runs.map((run) => show(run.measures[at]));
  return [(value > 0 ? "+" : "") + show(value), make("small", {}, `${first} → ${second}`)];
}

function outcome(row, run) {
  if (run.failure) return tag("failed", "bad");
  if (run.refused) return tag("refused", row.kind === "answerable" ? "bad" : "good");
  if (run.answer != null) return tag("answered", row.kind === "answerable" ? "" : "bad");
  return tag("passages only");
}

function toggle(row, button) {
  const isOpen = !state.open.delete(row.id);
  if (isOpen) state.open.add(row.id);
  button.setAttribute("aria-expanded", String(isOpen));
  const at = button.closest("tr");
  if (isOpen) at.after(detail(row));
  else at.nextSibling.remove();
  writeAddress();
}

readAddress();
build();
addEventListener("hashchange", () => { if (!document.getElementById(location.hash.slice(1))) { readAddress(); build(); } });
