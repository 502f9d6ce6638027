// The corpus as a picture. The drawing stands in a frame of its own, because its library makes code while it runs,
// which this page does not allow itself.
import { call, follow, query as parameters } from "./api.js";
import { Failure, Histogram, Progress } from "./parts.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

export const COLOURS = ["#3b78c2", "#d5762b", "#2f9e68", "#c2477f", "#8a6bd1", "#b59a1d", "#2aa3b5", "#a8523f", "#6f8f2f", "#d06bb8", "#5b6b8c", "#8c8c8c"];
const ODD = ["hubs", "outliers", "copies"];

function unpacked(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function decoded(found) {
  return {
    ...found, x: unpacked(found.x, Float32Array), y: unpacked(found.y, Float32Array), hubs: unpacked(found.hubs, Int32Array),
    nearest: unpacked(found.nearest, Float32Array), copied: unpacked(found.copied, Uint8Array),
    codes: Object.fromEntries(Object.entries(found.colours).map(([name, each]) => [name, unpacked(each.codes, Uint16Array)])),
  };
}

// The points that are odd in one way, the oddest first.
function odd(map, kind) {
  const rows = [...Array(map.points).keys()];
  if (kind === "copies") return rows.filter((row) => map.copied[row]).slice(0, 2000);
  const measure = kind === "hubs" ? (row) => -map.hubs[row] : (row) => map.nearest[row];
  return rows.sort((a, b) => measure(a) - measure(b)).slice(0, Math.max(5, Math.min(50, Math.round(map.points / 100))));
}

export function MapView({ index, query, setQuery }) {
  const [layout, setLayout] = useState("axes");
  const [colour, setColour] = useState("cluster");
  const [shown, setShown] = useState("");
  const [map, setMap] = useState(null);
  const [job, setJob] = useState(null);
  const [failed, setFailed] = useState("");
  const [point, setPoint] = useState(null);
  const [hits, setHits] = useState([]);
  const [ready, setReady] = useState(false);
  const frame = useRef(null);
  const wishes = { layout, index };
  const tell = (message) => frame.current?.contentWindow?.postMessage(message, location.origin);

  useEffect(() => {
    let gone = false;
    async function load() {
      setFailed("");
      setMap(null);
      setPoint(null);
      try {
        let found = await call(`/v1/map${parameters(wishes)}`);
        if (found.state) {
          await follow(found, (now) => !gone && setJob(now));
          found = await call(`/v1/map${parameters(wishes)}`);
        }
        if (!gone) { setJob(null); setMap(decoded(found)); }
      } catch (error) { if (!gone) { setJob(null); setFailed(error.message); } }
    }
    load();
    return () => { gone = true; };
  }, [layout, index]);

  useEffect(() => {
    function heard(event) {
      if (event.source !== frame.current?.contentWindow || event.origin !== location.origin) return;
      if (event.data.ready) setReady(true);
      if (event.data.failed) setFailed(event.data.failed);
      if (Number.isInteger(event.data.point)) look(event.data.point);
    }
    addEventListener("message", heard);
    return () => removeEventListener("message", heard);
  }, [map]);

  useEffect(() => {
    if (map && ready) tell({ x: map.x, y: map.y, codes: map.codes[colour], colours: COLOURS.slice(0, map.colours[colour].names.length) });
  }, [map, ready, colour]);

  useEffect(() => {
    if (!map || !ready) return undefined;
    if (shown) { tell({ chosen: odd(map, shown), query: null }); return undefined; }
    const asked = query.trim();
    if (!asked) { setHits([]); tell({ chosen: [], query: null }); return undefined; }
    const timer = setTimeout(async () => {
      try {
        const found = await call("/v1/search", { query: asked, k: 20, index });
        const placed = await call("/v1/map/points", { ids: found.hits.map((hit) => hit.id), query: asked, layout, index });
        setHits(found.hits.map((hit, at) => ({ ...hit, point: placed.points[at] })));
        tell({ chosen: placed.points.filter((each) => each !== null), query: placed.query });
        setFailed("");
      } catch (error) { setFailed(error.message); }
    }, 150);
    return () => clearTimeout(timer);
  }, [map, ready, query, shown]);

  function look(row) {
    call(`/v1/map/points/${row}${parameters(wishes)}`).then((found) => setPoint({ ...found, row }), (error) => setFailed(error.message));
  }

  const names = map?.colours[colour].names || [];
  return html`<div class="mapview">
    <input type="search" aria-label="Search on the map" placeholder="Show a query and its hits" value=${query} onInput=${(event) => { setShown(""); setQuery(event.target.value); }} />
    <div class="choices">
      <label>arranged by <select value=${layout} onChange=${(event) => setLayout(event.target.value)}>
        <option value="axes">main axes (at once)</option><option value="neighbours">neighbours (t-SNE, slower)</option></select></label>
      <label>coloured by <select value=${colour} onChange=${(event) => setColour(event.target.value)}>
        ${["cluster", "folder", "language"].map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
      <label>show <select value=${shown} onChange=${(event) => setShown(event.target.value)}>
        <option value="">hits of the query</option>${ODD.map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
    </div>
    <${Progress} job=${job} />
    ${failed && html`<${Failure}>${failed}</${Failure}>`}
    <div class="mapsides">
      <div><iframe ref=${frame} src="map-frame.html" title="Map of the corpus"></iframe>
        ${map && html`<p class="status">${map.points.toLocaleString("en")}${map.points < map.units ? ` of ${map.units.toLocaleString("en")}` : ""} units by ${map.encoder}.
          Drag to move, scroll to zoom, click a point to read it. Nearness in the picture is a hint, not a measure.</p>
        <ul class="legend" aria-label="Colours">${names.map((name, place) => html`<li><span class="dot" style=${{ background: COLOURS[place] }}></span>${name}</li>`)}</ul>`}
      </div>
      <div>
        ${point && html`<section class="hit" aria-label="Chosen unit"><div class="place">${point.document}</div>
          <div class="detail">${point.granularity}, ${point.place} · near ${point.hubs} of ${map.reference.toLocaleString("en")} sampled units · cosine with its nearest of them ${point.nearest.toFixed(2)}${point.copied ? " · a copy" : ""}</div>
          <pre tabindex="0" aria-label="Text">${point.text}</pre>
          <div class="actions"><button onClick=${() => { setQuery(point.text.slice(0, 300)); location.hash = "#search"; }}>Search for its text</button></div></section>`}
        ${hits.length > 0 && !shown && html`<section aria-label="Hits"><h2>Hits</h2><ol class="plain">${hits.map((hit) => html`<li><button disabled=${hit.point === null} onClick=${() => { look(hit.point); tell({ focus: hit.point }); }}>${hit.document}:${hit.lines[0]}</button></li>`)}</ol></section>`}
        ${map && html`<section aria-label="What the vectors are like"><h2>What the vectors are like</h2>
          ${map.histograms.map((each) => html`<${Histogram} label=${each.name} low=${each.low} high=${each.high} counts=${each.counts} caption=${`${each.name}: ${each.meaning}`} />`)}
          <dl>${map.diagnostics.map((each) => html`<dt>${each.name} <span class=${`verdict ${each.verdict}`}>${each.verdict}</span></dt><dd>${each.shown}. ${each.meaning}.</dd>`)}</dl></section>`}
      </div>
    </div>
  </div>`;
}
