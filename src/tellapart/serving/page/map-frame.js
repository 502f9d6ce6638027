// Draws points that the page sends, and tells it which one was clicked.
import createScatterplot from "./vendor/scatterplot.js";

const canvas = document.getElementById("plane");
const dark = matchMedia("(prefers-color-scheme: dark)");
const tell = (message) => parent.postMessage(message, location.origin);
const LARGE = [[1000, 6], [10000, 4], [50000, 3], [Infinity, 2]]; // pixels of a point, by how many there are
let plot = null;
let count = 0;
let waiting = null;

function paper() { return getComputedStyle(document.documentElement).getPropertyValue("--card").trim(); }

function started() {
  if (plot) return plot;
  const { width, height } = canvas.parentElement.getBoundingClientRect();
  plot = createScatterplot({
    canvas, width, height, backgroundColor: paper(), pointColorHover: "#ffffff", pointColorActive: dark.matches ? "#ffffff" : "#111111",
    pointOutlineWidth: 2, pointSizeSelected: 5, opacity: 0.75, lassoColor: "#888888", deselectOnEscape: true,
  });
  plot.subscribe("select", ({ points }) => { if (points.length === 1) tell({ point: points[0] }); });
  addEventListener("resize", () => {
    const box = canvas.parentElement.getBoundingClientRect();
    plot.set({ width: box.width, height: box.height });
  });
  dark.addEventListener("change", () => plot.set({ backgroundColor: paper(), pointColorActive: dark.matches ? "#ffffff" : "#111111" }));
  return plot;
}

async function draw(message) {
  const drawn = started();
  if (message.x) {
    // one more category for the place of the query, which is the last point
    const x = Array.from(message.x); const y = Array.from(message.y); const z = Array.from(message.codes);
    count = x.length;
    waiting = { x, y, z, colours: message.colours };
    await show(null);
  } else if (message.focus !== undefined) {
    drawn.select([message.focus], { preventEvent: true });
  } else if (message.chosen) {
    await show(message.query);
    const chosen = message.query ? [...message.chosen, count] : message.chosen;
    if (chosen.length) drawn.select(chosen, { preventEvent: true });
    else drawn.deselect({ preventEvent: true });
  }
  tell({ drawn: true });
}

async function show(query) {
  const { x, y, z, colours } = waiting;
  const size = LARGE.find(([most]) => count <= most)[1];
  plot.set({ colorBy: "category", pointColor: [...colours, dark.matches ? "#ffffff" : "#000000"], pointSize: size });
  await plot.draw({
    x: query ? [...x, query[0]] : x, y: query ? [...y, query[1]] : y, category: query ? [...z, colours.length] : z,
  }, { zDataType: "categorical" });
}

let queue = Promise.resolve();
addEventListener("message", (event) => {
  if (event.source !== parent || event.origin !== location.origin) return;
  queue = queue.then(() => draw(event.data)).catch((error) => tell({ failed: `the map cannot be drawn: ${error.message}` }));
});
tell({ ready: true });
