// Searching as you type, examples, rankers side by side, and why a hit is where it is.
import { call, query as parameters } from "./api.js";
import { Failure, Histogram, Passage, PROSE, useTokens } from "./parts.js";
import { html, useEffect, useMemo, useRef, useState } from "./vendor/htm-preact.js";

const RANKERS = ["bm25", "knn", "svm", "hybrid"];
const WAIT = 60; // milliseconds between two questions: fast typists do not flood the server

function Why({ query, hit, index, ranker }) {
  const [why, setWhy] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    setFailed("");
    call("/v1/explain", { query, id: hit.id, index, ranker }).then(setWhy, (error) => setFailed(error.message));
  }, [query, hit.id]);
  if (failed) return html`<${Failure}>${failed}</${Failure}>`;
  if (!why) return html`<p class="status">Looking ...</p>`;
  return html`<div class="why">
    <p>Rank ${why.rank.toLocaleString("en")} of ${why.of.toLocaleString("en")} by <b>${why.configuration}</b>: ${why.why}.</p>
    ${why.score !== null && html`<${Histogram} label="Scores of all units, with this one" low=${why.scores.low} high=${why.scores.high}
      counts=${why.scores.counts} at=${why.score} caption="scores of all units; the line is this one" />`}
    ${why.words.length > 0 && html`<table>
      <thead><tr><th scope="col">word</th><th scope="col">adds</th><th scope="col">stands in</th></tr></thead>
      <tbody>${why.words.slice(0, 8).map((each) => html`<tr><td>${each.word}</td>
        <td><span class="bar" style=${{ width: `${Math.min(6, each.weight)}em` }}></span> ${each.weight.toFixed(2)}</td>
        <td>${each.units.toLocaleString("en")} units</td></tr>`)}</tbody>
    </table>`}
    ${why.cosine !== null && html`<p>Similarity ${why.cosine.toFixed(2)}: higher than ${(100 * why.cosine_percentile).toFixed(1)} % of all units.
      99 % of unrelated pairs stay below ${why.unrelated_cosine.toFixed(2)}.</p>`}
    ${why.taste && html`<div class="sides">
      <div><b>The SVM likes most</b><ol>${why.taste.likes.map((each) => html`<li>${each}</li>`)}</ol></div>
      <div><b>and least</b><ol>${why.taste.dislikes.map((each) => html`<li>${each}</li>`)}</ol></div>
    </div>`}
  </div>`;
}

function Around({ hit, query, index }) {
  const [chain, setChain] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    const unit = (id) => call(`/v1/units/${encodeURIComponent(id)}${parameters({ index })}`);
    unit(hit.id).then(async (own) => {
      const parent = own.parents[0] ? await unit(own.parents[0].id) : null;
      setChain({ parents: own.parents, parent });
    }).catch((error) => setFailed(error.message));
  }, [hit.id]);
  if (failed) return html`<${Failure}>${failed}</${Failure}>`;
  if (!chain) return html`<p class="status">Looking ...</p>`;
  if (!chain.parent) return html`<p class="status">This is the whole document.</p>`;
  return html`<div class="around">
    <p class="status">Inside ${[...chain.parents].reverse().map((each) => `${each.granularity} ${each.label} ${each.lines[0]}-${each.lines[1]}`).join(" > ")}</p>
    <pre tabindex="0" aria-label="What is around it"><${Passage} text=${chain.parent.text} query=${query} /></pre>
  </div>`;
}

export function Hit({ hit, query, index, ranker, current, only, tokens, onExample }) {
  const [open, setOpen] = useState(false);
  const [around, setAround] = useState(false);
  const card = useRef(null);
  useEffect(() => { if (current) card.current?.scrollIntoView({ block: "nearest" }); }, [current]);
  const lead = hit.text.length - hit.text.trimStart().length;
  const shift = [...hit.text.slice(0, lead)].length;
  return html`<li class=${`hit ${PROSE.includes(hit.granularity) ? "prose" : "code"}`} ref=${card} aria-current=${current ? "true" : null}>
    <div class="place">${hit.document}:${hit.lines[0]}-${hit.lines[1]}</div>
    <div class="detail">${hit.unit || hit.granularity} · ${hit.probability === null
      ? `score ${hit.score.toFixed(3)}`
      : html`relevant with probability <meter min="0" max="1" value=${hit.probability} aria-label="probability">${hit.probability}</meter> ${hit.probability.toFixed(2)}`}
      ${hit.copies?.length > 0 && ` · ${hit.copies.length} copies`}
      ${only && html` · <span class="only">found here only</span>`}</div>
    <pre tabindex="0" aria-label=${`Text of ${hit.document}`}>${lead ? "" : hit.indent}<${Passage} text=${hit.text.trim()} query=${query}
      tokens=${tokens?.map(({ start, end, kind }) => ({ start: start - shift, end: end - shift, kind }))} /></pre>
    <div class="actions">
      ${query && html`<button aria-expanded=${open} onClick=${() => setOpen(!open)}>Why</button>`}
      <button aria-expanded=${around} onClick=${() => setAround(!around)}>Around</button>
      ${onExample && html`<button onClick=${() => onExample("like", hit.id)}>More like this</button>
      <button onClick=${() => onExample("unlike", hit.id)}>Not this</button>`}
    </div>
    ${open && query && html`<${Why} query=${query} hit=${hit} index=${index} ranker=${ranker} />`}
    ${around && html`<${Around} hit=${hit} query=${query} index=${index} />`}
  </li>`;
}

function Results({ answer, ranker, query, index, others, current, onExample }) {
  const tokens = useTokens(answer.hits || [], index);
  if (answer.error) return html`<${Failure}>${answer.error}</${Failure}>`;
  const list = html`<ol class="hits">${answer.hits.map((hit, place) => html`<${Hit} key=${hit.id} hit=${hit} query=${query} index=${index}
    ranker=${ranker} current=${place === current} only=${others && !others.has(hit.id)} tokens=${tokens[hit.id]} onExample=${onExample} />`)}</ol>`;
  if (!answer.absent) return list;
  return html`<div class="nothing"><p><strong>Nothing here answers that:</strong> ${answer.absent}.</p>
    ${answer.hits.length > 0 && html`<details><summary>The nearest misses</summary>${list}</details>`}</div>`;
}

export function Search({ served, index, query, setQuery }) {
  const [granularity, setGranularity] = useState("");
  const [where, setWhere] = useState("");
  const [beside, setBeside] = useState(false);
  const [examples, setExamples] = useState({ like: [], unlike: [] });
  const [answers, setAnswers] = useState({});
  const [took, setTook] = useState(0);
  const [current, setCurrent] = useState(-1);
  const box = useRef(null);
  const sent = useRef(-WAIT);

  const rankers = useMemo(() => {
    if (!beside) return ["auto"];
    return served?.encoders.length ? RANKERS : ["bm25"];
  }, [beside, served]);

  const asked = query.trim(); // a space after a word asks for nothing new
  useEffect(() => {
    if (!asked && !examples.like.length) { setAnswers({}); return undefined; }
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const started = sent.current = performance.now();
      const found = await Promise.all(rankers.map((ranker) => call("/v1/search", {
        query: asked || null, like: examples.like, unlike: examples.unlike, ranker,
        granularity: granularity || null, where: where.trim() ? [where.trim()] : [], index,
      }, { signal: stop.signal }).catch((error) => (error.name === "AbortError" ? null : { error: error.message }))));
      if (stop.signal.aborted) return;
      setTook(performance.now() - started);
      setAnswers(Object.fromEntries(rankers.map((ranker, place) => [ranker, found[place]])));
      setCurrent(-1);
    }, Math.max(0, sent.current + WAIT - performance.now()));
    return () => { clearTimeout(timer); stop.abort(); };
  }, [asked, index, granularity, where, rankers, examples]);

  useEffect(() => {
    function key(event) {
      const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
      if (event.key === "/" && !typing) { event.preventDefault(); box.current.focus(); }
      if (event.key === "Escape") { setQuery(""); box.current.focus(); }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const shown = Object.values(answers)[0]?.hits?.length || 0;
      if (step && shown && (!typing || event.target === box.current)) {
        event.preventDefault();
        setCurrent((place) => Math.max(0, Math.min(shown - 1, place + step)));
      }
    }
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [answers]);

  const drop = (id) => setExamples((before) => ({
    like: before.like.filter((each) => each !== id), unlike: before.unlike.filter((each) => each !== id),
  }));
  const add = (side, id) => { drop(id); setExamples((before) => ({ ...before, [side]: [...before[side], id] })); };
  const shown = Object.entries(answers).filter(([, answer]) => answer);
  const first = shown[0]?.[1];
  const seen = (ranker) => new Set(shown.filter(([other]) => other !== ranker).flatMap(([, answer]) => (answer.hits || []).map((hit) => hit.id)));
  const chosen = first?.configuration;

  return html`<div>
    <input type="search" ref=${box} autofocus aria-label="Search" placeholder="Search ( / )" value=${query} onInput=${(event) => setQuery(event.target.value)} />
    <div class="choices">
      <label>size <select value=${granularity} onChange=${(event) => setGranularity(event.target.value)}>
        <option value="">paragraphs and functions</option>
        ${(served?.granularities || []).map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
      <label>only <input size="24" placeholder="language = 'python'" aria-label="Only documents like this" value=${where} onChange=${(event) => setWhere(event.target.value)} /></label>
      <label><input type="checkbox" checked=${beside} onChange=${(event) => setBeside(event.target.checked)} /> side by side</label>
    </div>
    ${(examples.like.length > 0 || examples.unlike.length > 0) && html`<ul class="examples" aria-label="Examples">
      ${["like", "unlike"].flatMap((side) => examples[side].map((id) => html`<li><button onClick=${() => drop(id)} title="Leave out">${side === "like" ? "like" : "not"} ${id.split("#")[0]} ×</button></li>`))}
    </ul>`}
    <p class="status" role="status">${first && !first.error && !beside ? `${first.absent ? "no answer" : `${first.hits.length} hit${first.hits.length === 1 ? "" : "s"}`} in ${took.toFixed(0)} ms · ${chosen.encoder ? `${chosen.encoder} / ` : ""}${chosen.granularity} / ${chosen.ranker} · ${first.why}` : ""}</p>
    <div class=${beside ? "columns" : ""}>${shown.map(([ranker, answer]) => html`<section key=${ranker} aria-label=${`Hits of ${ranker}`}>
      ${beside && html`<h2>${ranker}</h2>`}
      <${Results} answer=${answer} ranker=${ranker} query=${query} index=${index} current=${beside ? -1 : current}
        others=${beside && shown.length > 1 ? seen(ranker) : null} onExample=${add} />
    </section>`)}</div>
  </div>`;
}
