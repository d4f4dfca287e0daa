"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const trials = new Map(study.trials.map(trial => [trial.trial, trial]));
const outputs = Object.keys(study.trials[0].outputs).length;
const letter = number => String.fromCharCode(65 + number);
const ordinal = number => `${number}${["th", "st", "nd", "rd"][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] || "th"}`;
const element = (tag, properties, ...inside) => { const made = Object.assign(document.createElement(tag), properties); made.append(...inside); return made; };
const say = text => { $("said").textContent = text; };

// What a participant has done so far, kept by the browser after every step.
const shuffled = items => {
  const lots = crypto.getRandomValues(new Uint32Array(items.length));
  return items.map((item, index) => [lots[index], item]).sort((one, other) => one[0] - other[0]).map(pair => pair[1]);
};
const fresh = () => ({
  study: study.study,
  participant: [...crypto.getRandomValues(new Uint8Array(8))].map(byte => byte.toString(16).padStart(2, "0")).join(""),
  started: null, finished: null, at: -1,
  trials: shuffled(study.trials).map(({ trial, outputs }) => ({ trial, shown: shuffled(Object.keys(outputs)), ranking: [], seconds: 0 })),
});
const shelf = `degradekit study ${study.study}`;
const keep = () => { try { localStorage.setItem(shelf, JSON.stringify(state)); return true; } catch { return false; } };
const kept = () => { try { return JSON.parse(localStorage.getItem(shelf)); } catch { return null; } };
let state = kept() || fresh();
$("unsaved").hidden = keep();

// Time counts while a photograph is before the participant's eyes.
let since = null;
const tally = () => {
  if (since !== null && current()) current().seconds += (performance.now() - since) / 1000;
  since = current() && !document.hidden ? performance.now() : null;
};
document.addEventListener("visibilitychange", () => { tally(); keep(); });
window.addEventListener("pagehide", () => { tally(); keep(); });

const current = () => state.trials[state.at];
const called = token => letter(current().shown.indexOf(token));
const picture = token => token === "" ? trials.get(current().trial).degraded : trials.get(current().trial).outputs[token];
let past = [];

const go = at => {
  tally();
  state.at = at;
  past = [];
  since = null;
  tally();
  const over = at >= state.trials.length;
  state.finished = over ? new Date().toISOString() : null;
  keep();
  $("intro").hidden = at >= 0; $("trial").hidden = at < 0 || over; $("end").hidden = !over;
  if (over) finish(); else if (at >= 0) show();
  document.querySelector("main:not([hidden]) h1").focus({ preventScroll: true });
  window.scrollTo(0, 0);
};

const rank = ranking => {
  past.push(current().ranking);
  current().ranking = ranking;
  keep();
  update();
};
const put = (token, place) => {
  const others = current().ranking.filter(other => other !== token);
  const at = Math.min(place, others.length);
  if (current().ranking[at] !== token || !current().ranking.includes(token)) rank([...others.slice(0, at), token, ...others.slice(at)]);
  say(`${called(token)} is ${ordinal(at + 1)}`);
};
const take = token => { rank(current().ranking.filter(other => other !== token)); say(`${called(token)} is taken out`); };
const toggle = token => current().ranking.includes(token) ? take(token) : put(token, outputs);

const show = () => {
  $("progress").textContent = `Photograph ${state.at + 1} of ${state.trials.length}`;
  $("bar").max = state.trials.length; $("bar").value = state.at + 1;
  $("pictures").replaceChildren(...["", ...current().shown].map(token => {
    const text = token === "" ? "The damaged photograph" : `Restoration ${called(token)}`;
    const see = element("button", { type: "button", className: "see" }, element("img", { src: picture(token), alt: text, draggable: false, width: trials.get(current().trial).width, height: trials.get(current().trial).height }));
    see.setAttribute("aria-label", `${text}: enlarge`);
    see.addEventListener("click", () => enlarge(token));
    const caption = element("figcaption", {}, token === "" ? "damaged" : element("b", { textContent: called(token) }));
    if (token !== "") {
      const choose = element("button", { type: "button", className: "choose" });
      choose.addEventListener("click", () => toggle(token));
      caption.append(choose);
      draggable(see, token, ["mouse", "pen"]);
    }
    const card = element("figure", { className: token === "" ? "card reference" : "card" }, see, caption);
    card.dataset.token = token;
    return card;
  }));
  $("order").style.setProperty("--slots", outputs);
  update();
  fit();
};

const update = () => {
  const { ranking } = current();
  for (const card of $("pictures").querySelectorAll(".card:not(.reference)")) {
    const place = ranking.indexOf(card.dataset.token), choose = card.querySelector(".choose");
    card.classList.toggle("placed", place >= 0);
    choose.textContent = place >= 0 ? `${ordinal(place + 1)} ✕` : `Choose ${ordinal(ranking.length + 1)}`;
    choose.setAttribute("aria-label", place >= 0 ? `${called(card.dataset.token)} is ${ordinal(place + 1)}: take it out` : `Choose ${called(card.dataset.token)} as ${ordinal(ranking.length + 1)}`);
  }
  $("order").replaceChildren(...Array.from({ length: outputs }, (_, place) => {
    const token = ranking[place];
    if (token === undefined) return element("li", {}, element("span", { className: "number", textContent: ordinal(place + 1) }));
    const tile = element("div", { className: "tile" }, element("img", { src: picture(token), alt: "", draggable: false }), element("span", { textContent: called(token) }));
    draggable(tile, token, ["mouse", "pen", "touch"]);
    const moves = element("div", { className: "moves" }, ...[[-1, "◀", "better"], [1, "▶", "worse"]].map(([step, sign, word]) => {
      const button = element("button", { type: "button", textContent: sign, disabled: place + step < 0 || place + step >= ranking.length });
      button.setAttribute("aria-label", `${called(token)}: one place ${word}`);
      button.dataset.step = step;
      button.addEventListener("click", () => {
        put(token, place + step);
        // The bar was made anew: the focus stays with what was moved.
        const both = [...$("order").children[place + step].querySelectorAll("button")];
        (both.find(other => !other.disabled && Number(other.dataset.step) === step) || both.find(other => !other.disabled)).focus();
      });
      return button;
    }));
    return element("li", { className: "filled" }, tile, moves);
  }));
  const left = outputs - ranking.length;
  $("left").textContent = left ? `${left} to choose` : "";
  $("undo").disabled = !past.length;
  $("next").disabled = left > 0;
  $("next").textContent = state.at + 1 < state.trials.length ? "Next" : "Finish";
  if ($("large").open) picks();
};

// As many columns as make the pictures largest while all of them are in sight.
const fit = () => {
  if ($("trial").hidden) return;
  const { width, height } = trials.get(current().trial), all = $("pictures"), gap = 12, below = 52, least = 170;
  const wide = all.clientWidth, high = window.innerHeight - (all.getBoundingClientRect().top + window.scrollY) - $("ranking").offsetHeight - gap;
  if (window.innerWidth <= 640) { all.style.removeProperty("--columns"); all.style.removeProperty("--wide"); return; }
  let best = [2, 0];
  for (let columns = 2; columns <= outputs + 1; columns++) {
    const rows = Math.ceil((outputs + 1) / columns);
    const side = Math.min((wide - gap * (columns - 1)) / columns, (high / rows - gap - below) * width / height, 2 * width);
    if (side > best[1]) best = [columns, side];
  }
  if (best[1] < least) best = [Math.max(1, Math.floor((wide + gap) / (260 + gap))), 260];
  all.style.setProperty("--columns", Math.min(best[0], outputs + 1));
  all.style.setProperty("--wide", `${Math.floor(best[1])}px`);
};
window.addEventListener("resize", () => { fit(); if ($("large").open) draw(); });

// Dragging: a picture, or what is in the bar already, to a place in the bar.
const slot = event => {
  const bar = $("ranking").getBoundingClientRect();
  if (event.clientY < bar.top) return null;
  const middles = [...$("order").children].map(item => { const box = item.getBoundingClientRect(); return Math.abs(event.clientX - (box.left + box.right) / 2); });
  return middles.indexOf(Math.min(...middles));
};
const draggable = (handle, token, pointers) => handle.addEventListener("pointerdown", down => {
  if (down.button !== 0 || !pointers.includes(down.pointerType)) return;
  let ghost = null;
  const listening = new AbortController();
  const mark = place => [...$("order").children].forEach((item, index) => item.classList.toggle("target", index === place));
  const move = event => {
    if (!ghost) {
      if (Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 6) return;
      ghost = element("img", { className: "ghost", src: picture(token), alt: "" });
      document.body.append(ghost);
      handle.classList.add("lifted");
    }
    ghost.style.transform = `translate(${event.clientX - 40}px, ${event.clientY - 28}px)`;
    mark(slot(event));
  };
  const end = event => {
    listening.abort();
    if (!ghost) return;
    ghost.remove(); handle.classList.remove("lifted"); mark(null);
    // The click that follows a drag means nothing.
    const swallow = click => { click.stopPropagation(); click.preventDefault(); };
    window.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => window.removeEventListener("click", swallow, { capture: true }));
    const place = event.type === "pointerup" ? slot(event) : null;
    if (place !== null) put(token, place);
  };
  const options = { signal: listening.signal };
  window.addEventListener("pointermove", move, options);
  window.addEventListener("pointerup", end, options);
  window.addEventListener("pointercancel", end, options);
});

// Enlarged: every version at the same size and place.
const SCALES = [["Fit", 0], ["100 %", 1], ["200 %", 2], ["400 %", 4]];
let large = { token: "", scale: 0, x: 0.5, y: 0.5 };
const factor = () => large.scale || Math.min($("stage").clientWidth / trials.get(current().trial).width, $("stage").clientHeight / trials.get(current().trial).height);
const within = value => Math.min(Math.max(value, 0), 1);
const draw = () => {
  const { width, height } = trials.get(current().trial), zoom = factor();
  $("shown").style.transform = `scale(${zoom}) translate(${-large.x * width}px, ${-large.y * height}px)`;
  $("stage").classList.toggle("near", zoom >= 2);
};
const choice = (text, pressed, act) => {
  const button = element("button", { type: "button", className: "choice", textContent: text });
  button.setAttribute("aria-pressed", pressed);
  button.addEventListener("click", act);
  return button;
};
const pressOne = (group, index) => [...group.children].forEach((button, place) => button.setAttribute("aria-pressed", place === index));
const version = token => {
  large.token = token;
  $("shown").src = picture(token);
  $("shown").alt = token === "" ? "The damaged photograph" : `Restoration ${called(token)}`;
  pressOne($("versions"), ["", ...current().shown].indexOf(token));
  picks();
  draw();
};
const scale = value => {
  large.scale = value;
  if (!value) { large.x = large.y = 0.5; }
  pressOne($("scales"), SCALES.findIndex(pair => pair[1] === value));
  draw();
};
const picks = () => {
  const place = current().ranking.indexOf(large.token);
  $("pick").hidden = large.token === "";
  $("pick").textContent = place >= 0 ? `${ordinal(place + 1)} ✕` : `Choose ${ordinal(current().ranking.length + 1)}`;
};
const enlarge = token => {
  $("versions").replaceChildren(...["", ...current().shown].map(one => choice(one === "" ? "Damaged" : called(one), false, () => version(one))));
  $("scales").replaceChildren(...SCALES.map(([text, value]) => choice(text, false, () => scale(value))));
  $("shown").width = trials.get(current().trial).width; $("shown").height = trials.get(current().trial).height;
  $("large").showModal();
  version(token);
  scale(0);
  $("stage").focus();
};
$("close").addEventListener("click", () => $("large").close());
$("pick").addEventListener("click", () => toggle(large.token));
$("stage").addEventListener("pointermove", event => {
  if (!(event.buttons & 1)) return;
  const { width, height } = trials.get(current().trial);
  large.x = within(large.x - event.movementX / factor() / width); large.y = within(large.y - event.movementY / factor() / height);
  draw();
});
$("stage").addEventListener("pointerdown", event => $("stage").setPointerCapture(event.pointerId));
$("stage").addEventListener("dblclick", event => {
  const box = $("stage").getBoundingClientRect(), { width, height } = trials.get(current().trial), zoom = factor();
  const x = within(large.x + (event.clientX - box.left - box.width / 2) / zoom / width), y = within(large.y + (event.clientY - box.top - box.height / 2) / zoom / height);
  scale(large.scale ? 0 : 2);
  if (large.scale) { Object.assign(large, { x, y }); draw(); }
});
$("stage").addEventListener("keydown", event => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const versions = ["", ...current().shown];
  if (step && (event.shiftKey || step[1])) { large.x = within(large.x + step[0] / 10); large.y = within(large.y + step[1] / 10); draw(); }
  else if (step) version(versions[(versions.indexOf(large.token) + step[0] + versions.length) % versions.length]);
  else if ("+-".includes(event.key)) { const at = SCALES.findIndex(pair => pair[1] === large.scale) + (event.key === "+" ? 1 : -1); if (SCALES[at]) scale(SCALES[at][1]); }
  else return;
  event.preventDefault();
});

const finish = () => {
  const { participant, started, finished } = state;
  const text = JSON.stringify({ format: study.format, study: study.study, participant, started, finished, trials: state.trials.map(one => ({ ...one, seconds: Math.round(10 * one.seconds) / 10 })) }, null, 1);
  URL.revokeObjectURL($("save").href);
  $("save").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  $("save").download = `answers-${participant}.json`;
  $("text").value = text;
};
$("begin").addEventListener("click", () => { state.started ||= new Date().toISOString(); go(0); });
$("back").addEventListener("click", () => go(state.at - 1));
$("next").addEventListener("click", () => go(state.at + 1));
$("undo").addEventListener("click", () => { current().ranking = past.pop(); keep(); update(); say("undone"); if ($("undo").disabled) $("progress").focus(); });
$("again").addEventListener("click", () => go(state.trials.length - 1));
$("text").addEventListener("focus", () => $("text").select());
$("other").addEventListener("click", () => { if (confirm("This removes the answers from this browser. Are they saved?")) { state = fresh(); go(-1); } });
go(state.at);
