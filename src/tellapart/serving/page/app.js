import { html, render, useEffect, useMemo, useRef, useState } from "./vendor/htm-preact.js";

const RANKERS = ["bm25", "knn", "svm", "hybrid"];
const WAIT = 90; // milliseconds after a key: fast typists do not flood the server

async function call(path, body, signal) {
  const answer = await fetch(path, {
    method: body ? "POST" : "GET",
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
    signal,
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(typeof found.detail === "string" ? found.detail : "the request was not understood");
  return found;
}

function words(query) {
  return [...new Set((query.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) || []).map((word) => word.slice(0, 6)))];
}

function Marked({ text, query }) {
  const stems = words(query);
  if (!stems.length) return text;
  const parts = text.split(/([\p{L}\p{N}_]+)/u);
  return parts.map((part) => (stems.some((stem) => part.toLowerCase().startsWith(stem)) ? html`<mark>${part}</mark>` : part));
}

function Why({ query, hit, index, ranker }) {
  const [why, setWhy] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    call("/v1/explain", { query, id: hit.id, index, ranker }).then(setWhy, (error) => setFailed(error.message));
  }, [query, hit.id]);
  if (failed) return html`<p class="error">${failed}</p>`;
  if (!why) return html`<p class="status">Looking ...</p>`;
  return html`<div>
    <p class="status">Rank ${why.rank} of ${why.of} by ${why.configuration} (${why.why}).</p>
    ${why.words.length > 0 && html`<table>
      <thead><tr><th scope="col">word</th><th scope="col">adds</th><th scope="col">stands in</th></tr></thead>
      <tbody>${why.words.slice(0, 8).map((each) => html`<tr><td>${each.word}</td><td>${each.weight.toFixed(2)}</td><td>${each.units} units</td></tr>`)}</tbody>
    </table>`}
    ${why.cosine !== null && html`<p class="status">Similarity ${why.cosine.toFixed(2)}: higher than
      ${" "}${(100 * why.cosine_percentile).toFixed(1)} % of all units. 99 % of unrelated pairs stay below ${why.unrelated_cosine.toFixed(2)}.</p>`}
  </div>`;
}

function Hit({ hit, query, index, ranker, current, only, onExample }) {
  const [open, setOpen] = useState(false);
  const [around, setAround] = useState(null);
  const card = useRef(null);
  useEffect(() => { if (current) card.current?.scrollIntoView({ block: "nearest" }); }, [current]);
  const prose = ["sentence", "paragraph", "section", "document"].includes(hit.granularity);
  async function showAround() {
    if (around) return setAround(null);
    const unit = await call(`/v1/units/${encodeURIComponent(hit.id)}${index ? `?index=${encodeURIComponent(index)}` : ""}`);
    const parent = unit.parents[0];
    if (!parent) return setAround({ title: "nothing around it", text: "" });
    const found = await call(`/v1/units/${encodeURIComponent(parent.id)}${index ? `?index=${encodeURIComponent(index)}` : ""}`);
    setAround({ title: `${found.granularity} ${found.label} ${found.lines[0]}-${found.lines[1]}`, text: found.text });
  }
  return html`<li class=${`hit ${prose ? "prose" : ""}`} ref=${card} aria-current=${current ? "true" : null}>
    <div class="place">${hit.document}:${hit.lines[0]}-${hit.lines[1]}</div>
    <div class="detail">${hit.granularity} · ${hit.probability === null
      ? `score ${hit.score.toFixed(3)}`
      : html`relevant with probability <meter min="0" max="1" value=${hit.probability}>${hit.probability}</meter> ${hit.probability.toFixed(2)}`}
      ${only && html` · <span class="only">found here only</span>`}</div>
    <pre tabindex="0"><${Marked} text=${hit.text.trim()} query=${query} /></pre>
    <div class="actions">
      ${query && html`<button aria-expanded=${open} onClick=${() => setOpen(!open)}>Why</button>`}
      <button aria-expanded=${around !== null} onClick=${showAround}>Around</button>
      <button onClick=${() => onExample("like", hit.id)}>More like this</button>
      <button onClick=${() => onExample("unlike", hit.id)}>Not this</button>
    </div>
    ${open && html`<${Why} query=${query} hit=${hit} index=${index} ranker=${ranker} />`}
    ${around && html`<div><p class="status">${around.title}</p><pre tabindex="0"><${Marked} text=${around.text.trim()} query=${query} /></pre></div>`}
  </li>`;
}

function Results({ answer, ranker, query, index, others, current, onExample }) {
  if (answer.error) return html`<p class="error" role="alert">${answer.error}</p>`;
  const list = html`<ol class="hits">${answer.hits.map((hit, place) => html`<${Hit} key=${hit.id} hit=${hit} query=${query} index=${index}
    ranker=${ranker} current=${place === current} only=${others && !others.has(hit.id)} onExample=${onExample} />`)}</ol>`;
  if (!answer.absent) return list;
  return html`<div class="nothing"><p><strong>Nothing here answers that:</strong> ${answer.absent}.</p>
    ${answer.hits.length > 0 && html`<details><summary>The nearest misses</summary>${list}</details>`}</div>`;
}

function App() {
  const [health, setHealth] = useState(null);
  const [query, setQuery] = useState(new URLSearchParams(location.hash.slice(1)).get("q") || "");
  const [index, setIndex] = useState("");
  const [granularity, setGranularity] = useState("");
  const [where, setWhere] = useState("");
  const [beside, setBeside] = useState(false);
  const [examples, setExamples] = useState({ like: [], unlike: [] });
  const [answers, setAnswers] = useState({});
  const [took, setTook] = useState(0);
  const [current, setCurrent] = useState(-1);
  const box = useRef(null);

  useEffect(() => { call("/health").then(setHealth, (error) => setAnswers({ auto: { error: error.message } })); }, []);
  const served = health?.indexes.find((each) => each.name === (index || health.indexes[0].name));
  const rankers = useMemo(() => {
    if (!beside) return ["auto"];
    return served?.encoders.length ? RANKERS : ["bm25"];
  }, [beside, served]);

  useEffect(() => {
    const asked = query.trim();
    history.replaceState(null, "", asked ? `#q=${encodeURIComponent(asked)}` : location.pathname);
    if (!asked && !examples.like.length) { setAnswers({}); return undefined; }
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const started = performance.now();
      const found = await Promise.all(rankers.map((ranker) => call("/v1/search", {
        query: asked || null, like: examples.like, unlike: examples.unlike, ranker: ranker,
        granularity: granularity || null, where: where.trim() ? [where.trim()] : [], index: index || null,
      }, stop.signal).catch((error) => (error.name === "AbortError" ? null : { error: error.message }))));
      if (stop.signal.aborted) return;
      setTook(performance.now() - started);
      setAnswers(Object.fromEntries(rankers.map((ranker, place) => [ranker, found[place]])));
      setCurrent(-1);
    }, WAIT);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [query, index, granularity, where, rankers, examples]);

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

  const add = (side, id) => setExamples((before) => ({
    like: before.like.filter((each) => each !== id), unlike: before.unlike.filter((each) => each !== id),
    [side]: [...before[side].filter((each) => each !== id), id],
  }));
  const drop = (id) => setExamples((before) => ({
    like: before.like.filter((each) => each !== id), unlike: before.unlike.filter((each) => each !== id),
  }));
  const shown = Object.entries(answers).filter(([, answer]) => answer);
  const first = shown[0]?.[1];
  const seen = (ranker) => new Set(shown.filter(([other]) => other !== ranker).flatMap(([, answer]) => (answer.hits || []).map((hit) => hit.id)));

  return html`<main>
    <h1>tellapart ${served && html`<span class="status">${served.documents.toLocaleString("en")} documents, ${served.encoders.join(", ") || "words only"}</span>`}</h1>
    <input type="search" ref=${box} autofocus aria-label="Search" placeholder="Search ( / )" value=${query} onInput=${(event) => setQuery(event.target.value)} />
    <div class="choices">
      ${health && health.indexes.length > 1 && html`<label>index <select value=${index} onChange=${(event) => setIndex(event.target.value)}>
        ${health.indexes.map((each) => html`<option value=${each.name}>${each.name}</option>`)}</select></label>`}
      <label>size <select value=${granularity} onChange=${(event) => setGranularity(event.target.value)}>
        <option value="">paragraphs and functions</option>
        ${(served?.granularities || []).map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
      <label>only <input size="28" placeholder="language = 'python'" aria-label="Only documents like this" value=${where} onChange=${(event) => setWhere(event.target.value)} /></label>
      <label><input type="checkbox" checked=${beside} onChange=${(event) => setBeside(event.target.checked)} /> side by side</label>
    </div>
    ${(examples.like.length > 0 || examples.unlike.length > 0) && html`<ul class="examples" aria-label="Examples">
      ${["like", "unlike"].flatMap((side) => examples[side].map((id) => html`<li><button onClick=${() => drop(id)} title="Leave out">${side === "like" ? "like" : "not"} ${id.split("#")[0]} ×</button></li>`))}
    </ul>`}
    <p class="status" role="status">${first && !first.error && !beside ? `${first.hits.length} hits in ${took.toFixed(0)} ms · ${first.configuration.encoder ? `${first.configuration.encoder} / ` : ""}${first.configuration.granularity} / ${first.configuration.ranker} · ${first.why}` : ""}</p>
    <div class=${beside ? "columns" : ""}>${shown.map(([ranker, answer]) => html`<section key=${ranker} aria-label=${ranker}>
      ${beside && html`<h2>${ranker}</h2>`}
      <${Results} answer=${answer} ranker=${ranker} query=${query} index=${index || null} current=${beside ? -1 : current}
        others=${beside && shown.length > 1 ? seen(ranker) : null} onExample=${add} />
    </section>`)}</div>
  </main>`;
}

render(html`<${App} />`, document.getElementById("app"));
