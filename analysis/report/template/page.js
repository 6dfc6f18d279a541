"use strict";
// Draws each figure's views, and lets its buttons switch, choose and zoom. The page works without
// it but for the figures: all numbers are in the tables.

const CONFIG = {responsive: true, displayModeBar: false, displaylogo: false};
// A finger that draws a zoom box could not scroll past the figure.
const DRAG = matchMedia("(pointer: coarse)").matches ? false : "zoom";
const PRINTED_PX = 660;

// Spans of one state as a single filled outline, and what it says at their corners.
function outline(state, bars) {
  const x = [], y = [], text = [];
  state.node.forEach((node, place) => {
    const start = state.start[place], stop = state.stop[place];
    const low = node + state.bottom, high = low + state.height;
    x.push(start, start, stop, stop, start, null);
    y.push(low, high, high, low, low, null);
    const words = `${bars.nodes[node]} ${state.name}: ${start} to ${stop} ${bars.unit}`;
    text.push(words, words, words, words, words, "");
  });
  return {type: "scatter", mode: "none", fill: "toself", x, y, text, name: state.name,
    meta: state.name, fillcolor: state.color, hoveron: "points",
    fillpattern: state.pattern ? {shape: state.pattern, fgcolor: "#fff", bgcolor: state.color,
      fillmode: "replace", size: 6, solidity: .25} : {},
    hovertemplate: "%{text}<extra></extra>", hoverlabel: {bgcolor: state.color}};
}

// The row of a node that is up and waits is what nothing else covers.
function waits(bars) {
  const all = bars.nodes.map((_, node) => node);
  const rows = {name: "waits", color: "#EDF1F5", bottom: -.42, height: .84, node: all,
    start: all.map(() => 0), stop: all.map(() => bars.end)};
  return {...outline(rows, bars), hoverinfo: "skip", hovertemplate: null};
}

function tracesOf(view) {
  return view.bars ? [waits(view.bars), ...view.bars.states.map(one => outline(one, view.bars))]
    : view.traces;
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
