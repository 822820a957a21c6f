/* Every text enters the page as a text, never as HTML. */
function make(name, settings, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(settings || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== ""));
  return element;
}

function show(value) {
  if (value == null) return "–";
  if (Number.isInteger(value) && Math.abs(value) >= 10) return value.toLocaleString("en");
  return Math.abs(value) < 10 ? (Math.round(value * 1000) / 1000 + 0).toFixed(3) : value.toLocaleString("en", { maximumFractionDigits: 1 });
}

function tag(text, kind) { return make("span", { class: `tag ${kind ?? ""}` }, text); }

/* One case, opened. */

const FIRST_PASSAGES = 5;

function detail(row) {
  const sides = row.runs.map((run, at) => make("div", {},
    isComparison ? make("h3", {}, at ? "Second run" : "First run") : "", side(row, run)));
  const span = 2 + columns().length;
  return make("tr", { class: "detail" }, make("td", { colspan: span }, make("div", { class: "inside" },
    make("h4", {}, "Question"), make("p", { class: "text" }, row.question),
    make("p", {}, tag(row.kind), row.language ? tag(row.language) : "", row.tags.map((name) => tag(name))),
    row.answers.length ? [make("h4", {}, "Reference"), make("ul", {}, row.answers.map((text) => make("li", {}, text)))] : [],
    row.near.length ? [make("h4", {}, "Nearly answered by"), make("p", {}, row.near.join(", "))] : [],
    make("div", { class: `sides ${isComparison ? "two" : ""}` }, sides))));
}

function side(row, run) {
  if (run.failure) return make("div", { class: "concern" }, make("strong", {}, run.failure.message), make("p", {}, run.failure.hint));
  return [
    make("h4", {}, "Answer"), run.refused ? make("p", {}, tag("refused")) : "",
    run.answer ? answer(run) : make("p", { class: "quiet" }, "none"),
    facts(run), verdicts(run), evidence(row, run), passages(run)].flat();
}

/* Offsets count characters, as Python does, and not halves of a pair as JavaScript does. */
function cut(text, spans, wrap) {
  const characters = [...text], parts = [];
  let at = 0;
  for (const span of spans) {
    const start = Math.max(at, span[0]), end = Math.min(characters.length, span[1]);
    if (start >= end) continue;
    parts.push(characters.slice(at, start).join(""), wrap(characters.slice(start, end).join(""), span));
    at = end;
  }
  parts.push(characters.slice(at).join(""));
  return parts.filter(Boolean);
}

function answer(run) {
  const spans = [...run.statements].sort((one, two) => one[0] - two[0]);
  const parts = cut(run.answer, spans, (text, [, , cited, supported]) => {
    const kind = supported == null ? "" : supported ? "yes" : "no";
    const words = supported == null ? "not checked" : supported ? "supported" : "not supported";
    const from = cited.map((number) => number + 1).join(", ");
    return make("span", { class: `said ${kind}` }, text, make("small", {}, ` [${words}${from ? ` by ${from}` : ""}]`));
  });
  return make("p", { class: "text" }, parts);
}

function facts(run) {
  const known = [];
  if (run.score != null) known.push(`evidence score ${show(run.score)}`);
  if (run.seconds != null) known.push(`${show(run.seconds)} s`);
  const values = data.measures.map((name, at) => [name, run.measures[at]]).filter(([, value]) => value != null);
  return [known.length ? make("p", { class: "quiet" }, known.join(", ")) : "",
    run.notes.length ? make("ul", { class: "quiet" }, run.notes.map((note) => make("li", {}, note))) : "",
    values.length ? make("details", {}, make("summary", {}, "All measures"), make("dl", { class: "pairs" },
      values.map(([name, value]) => [make("dt", {}, name), make("dd", {}, show(value))]).flat())) : ""];
}

function verdicts(run) {
  const names = Object.keys(run.verdicts);
  if (!names.length) return [];
  return [make("h4", {}, "Judge"), make("ul", {}, names.map((name) => {
    const verdict = run.verdicts[name];
    const said = verdict.said.length > 1 ? ` (said ${verdict.said.map(show).join(", ")})` : "";
    const failed = verdict.failures.length ? `; ${verdict.failures.length} times unread: ${verdict.failures[0]}` : "";
    return make("li", {}, `${name}: ${show(verdict.score)}${said}${verdict.agreed === false ? ", did not agree with itself" : ""}${failed} `,
      make("span", { class: "quiet" }, verdict.why));
  }))];
}

function evidence(row, run) {
  if (!row.evidence.length) return [];
  return [make("h4", {}, "Labelled evidence"), make("ul", {}, row.evidence.map((piece, at) => {
    const rank = run.ranks[at];
    const where = piece.document + (piece.page ? `, page ${piece.page}` : "");
    return make("li", {}, rank ? tag(`found at rank ${rank}`, "good") : tag("not found", "bad"), where,
      piece.excerpt ? make("div", { class: "quiet text" }, piece.excerpt) : "");
  }))];
}

function passages(run) {
  if (!run.passages.length) return [];
  const all = run.passages.map((passage, at) => {
    const where = passage.document + (passage.page ? `, page ${passage.page}` : "");
    const text = passage.text == null ? make("p", { class: "quiet" }, "text not in this page")
      : make("div", { class: "text" }, cut(data.texts[passage.text], passage.marks ?? [], (part) => make("mark", {}, part)));
    return make("div", { class: `passage ${passage.labelled ? "labelled" : ""}` }, make("div", {},
      `${at + 1}. ${where} `, passage.score == null ? "" : make("span", { class: "quiet" }, `score ${show(passage.score)} `),
      passage.number ? tag(`[${passage.number}] in the prompt`) : "", passage.labelled ? tag("labelled", "good") : ""), text);
  });
  if (run.more) all.push(make("p", { class: "quiet" }, `and ${run.more} more`));
  const rest = all.splice(FIRST_PASSAGES);
  if (rest.length) all.push(make("details", { open: run.passages.slice(FIRST_PASSAGES).some((passage) => passage.labelled) },
    make("summary", {}, `${run.passages.length - FIRST_PASSAGES} more`), rest));
  return [make("details", { open: true }, make("summary", {}, `Passages (${run.passages.length + run.more})`), all)];
}
