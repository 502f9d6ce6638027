// The page: which view is open, which index is looked at.
import { call, onToken, setToken } from "./api.js";
import { Evaluate } from "./evaluate.js";
import { Identities } from "./identities.js";
import { Judge } from "./judge.js";
import { MapView } from "./map.js";
import { Failure } from "./parts.js";
import { Search } from "./search.js";
import { html, render, useEffect, useState } from "./vendor/htm-preact.js";

const VIEWS = { search: Search, map: MapView, judge: Judge, evaluate: Evaluate, identities: Identities };

function place() {
  const [name, rest] = location.hash.slice(1).split("?");
  const view = name in VIEWS ? name : "search";
  return { view, query: new URLSearchParams(rest || (name.startsWith("q=") ? name : "")).get("q") || "" };
}

function App() {
  const [health, setHealth] = useState(null);
  const [failed, setFailed] = useState("");
  const [locked, setLocked] = useState(false);
  const [view, setView] = useState(place().view);
  const [query, setQuery] = useState(place().query);
  const [index, setIndex] = useState("");
  const [round, setRound] = useState(0);

  useEffect(() => {
    onToken(() => setLocked(true));
    call("/health").then(setHealth, (error) => setFailed(error.message));
    const moved = () => setView(place().view);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => {
    const asked = query.trim() ? `?q=${encodeURIComponent(query.trim())}` : "";
    history.replaceState(null, "", `#${view}${asked}`);
  }, [view, query]);

  const names = health?.indexes.map((each) => each.name) || [];
  const served = health?.indexes.find((each) => each.name === (index || names[0]));
  const views = Object.keys(VIEWS).filter((each) => (each !== "identities" || health?.galleries.length)
    && ((each !== "map" && each !== "judge") || !served || served.encoders.length));
  function unlock(event) {
    event.preventDefault();
    setToken(new FormData(event.target).get("token"));
    setLocked(false);
    setRound(round + 1);
  }
  const View = VIEWS[view];
  return html`<div>
    <header><h1>tellapart</h1>
      <nav aria-label="Views">${views.map((each) => html`<a href=${`#${each}`} aria-current=${each === view ? "page" : null}>${each}</a>`)}<a href="docs">API</a></nav>
      ${names.length > 1 && html`<label>index <select value=${index} onChange=${(event) => setIndex(event.target.value)}>
        ${names.map((each) => html`<option value=${each}>${each}</option>`)}</select></label>`}
      <span class="status">${served ? `${served.documents.toLocaleString("en")} documents, ${served.encoders.join(", ") || "words only"}` : ""}</span>
    </header>
    <main>
      ${failed && html`<${Failure}>${failed}</${Failure}>`}
      ${locked && html`<form class="nothing" onSubmit=${unlock}><label>This server wants a token <input name="token" type="password" required autocomplete="off" /></label> <button class="first">Go on</button></form>`}
      ${health && !locked && html`<${View} key=${`${view}/${round}`} served=${served} index=${index || null} query=${query} setQuery=${setQuery} />`}
    </main>
  </div>`;
}

render(html`<${App} />`, document.getElementById("app"));
