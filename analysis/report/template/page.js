"use strict";
// Draws each figure's views, and lets its buttons switch, choose and zoom. The page works without
// it but for the figures: all numbers are in the tables.

const CONFIG = {responsive: true, displayModeBar: false, displaylogo: false};
// A finger that draws a zoom box could not scroll past the figure.
const DRAG = matchMedia("(pointer: coarse)").matches ? false : "zoom";
const PRINTED_PX = 660;

// What a span says: whose it is, of what, how much of it, and when.
function words(state, bars, place) {
  const start = state.start[place], stop = state.stop[place];
  return `${bars.nodes[state.node[place]]} ${state.name}${state.told ? state.told[place] : ""}: ` +
    (start === stop ? `${start} ${bars.unit}` : `${start} to ${stop} ${bars.unit}`);
}

// Spans of one state as a single filled outline, and what it says at their corners.
function outline(state, bars) {
  const x = [], y = [], text = [];
  state.node.forEach((node, place) => {
    const start = state.start[place], stop = state.stop[place];
    const low = node + state.bottom, high = low + state.height;
    x.push(start, start, stop, stop, start, null);
    y.push(low, high, high, low, low, null);
    const said = words(state, bars, place);
    text.push(said, said, said, said, said, "");
  });
  return {type: "scatter", mode: "none", fill: "toself", x, y, text, name: state.name,
    meta: state.name, fillcolor: state.color, hoveron: "points",
    fillpattern: state.pattern ? {shape: state.pattern, fgcolor: state.edge, bgcolor: state.color,
      fillmode: "replace", size: 6, solidity: .25} : {},
    hovertemplate: "%{text}<extra></extra>", hoverlabel: {bgcolor: state.color}};
}

// What took no time, or counts from its end on.
function marks(state, bars) {
  return {type: "scatter", mode: "markers", name: state.name, meta: state.name, x: state.stop,
    y: state.node.map(node => node + state.bottom + state.height / 2),
    marker: {symbol: state.marker, color: state.color, size: 11, line: {color: "#fff", width: 1}},
    text: state.node.map((_, place) => words(state, bars, place)),
    hovertemplate: "%{text}<extra></extra>"};
}

// Lines between rows.
function ties({name, color, x, y}) {
  return {type: "scatter", mode: "lines+markers", name, meta: name, x, y, hoverinfo: "skip",
    line: {color, width: 1.5}, marker: {color, size: 5}};
}

// The row of a node that is up and waits is what nothing else covers.
function waits(bars) {
  const all = bars.nodes.map((_, node) => node);
  const rows = {name: "waits", color: "#EDF1F5", bottom: -.42, height: .84, node: all,
    start: all.map(() => 0), stop: all.map(() => bars.end)};
  return {...outline(rows, bars), hoverinfo: "skip", hovertemplate: null};
}

function tracesOf(view) {
  const bars = view.bars;
  return bars ? [waits(bars), ...bars.states.map(one => (one.marker ? marks : outline)(one, bars)),
    ties(bars.ties)] : view.traces;
}

function show(figure) {
  const place = document.getElementById(figure.name);
  const plot = place.querySelector(".plot");
  const selects = [...place.querySelectorAll("select")];
  const switches = [...place.querySelectorAll(".switch")];
  let all = [0, 0];
  const view = () => figure.views.find(
    one => one.keys.every((key, number) => key === selects[number].value));
  const isOn = name => switches.every(
    one => one.dataset.name !== name || one.getAttribute("aria-pressed") === "true");

  function draw() {
    const shown = view();
    plot.hidden = !shown;
    place.querySelector(".absent").hidden = Boolean(shown);
    if (!shown) return;
    const traces = tracesOf(shown).map(trace => ({...trace, visible: isOn(trace.meta)}));
    const layout = structuredClone({...shown.layout, dragmode: DRAG, autosize: true});
    plot.setAttribute("aria-label", shown.alternative);
    Plotly.react(plot, traces, layout, CONFIG);
    all = [...plot._fullLayout.xaxis.range];
  }

  // Another run is looked at through the same window.
  function choose() {
    const range = [...plot._fullLayout.xaxis.range];
    const isWhole = range.every((end, number) => end === all[number]);
    draw();
    if (!isWhole) look(range);
  }

  function look(range) {
    Plotly.relayout(plot, {"xaxis.range": range, "xaxis.autorange": false});
  }

  function zoom(button) {
    const {zoom, from, to} = button.dataset;
    if (zoom === "all") return draw();
    const [start, stop] = plot._fullLayout.xaxis.range;
    const middle = (start + stop) / 2, half = zoom * (stop - start) / 2;
    look(from ? [+from, +to] : [middle - half, middle + half]);
  }

  figure.views[0].keys.forEach((key, number) => { selects[number].value = key; });
  selects.forEach(one => one.addEventListener("change", choose));
  switches.forEach(one => one.addEventListener("click", () => {
    one.setAttribute("aria-pressed", one.getAttribute("aria-pressed") !== "true");
    Plotly.restyle(plot, {visible: plot.data.map(trace => isOn(trace.meta))});
  }));
  place.querySelectorAll(".zoom button").forEach(
    one => one.addEventListener("click", () => zoom(one)));
  draw();
  addEventListener("beforeprint", () => Plotly.relayout(plot, {width: PRINTED_PX}));
  addEventListener("afterprint", () => Plotly.relayout(plot, {width: null, autosize: true}));
}

// A table that is wider than its box says so; a shadow alone is easily overlooked.
function tellWide() {
  document.querySelectorAll(".scroll").forEach(
    one => one.classList.toggle("wide", one.scrollWidth > one.clientWidth));
}

tellWide();
addEventListener("resize", tellWide);
JSON.parse(document.getElementById("data").textContent).forEach(show);
