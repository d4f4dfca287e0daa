"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// The table: a click on a heading sorts by it, a second one the other way.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.tHead.querySelectorAll("button").forEach((button, column) => button.addEventListener("click", () => {
    const head = button.closest("th");
    const up = head.getAttribute("aria-sort") === "none" || !head.hasAttribute("aria-sort") ? head.dataset.first !== "descending" : head.getAttribute("aria-sort") === "descending";
    table.tHead.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => { const cell = row.cells[column]; return cell === undefined ? NaN : cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value); };
    const last = value => typeof value === "number" && Number.isNaN(value);
    [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (last(x) || last(y)) return last(x) - last(y);
      return (up ? 1 : -1) * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    }).forEach(row => body.append(row));
  }));
}

// The slider: two versions of one image, and all others below at the same zoom and place.
const stage = document.getElementById("stage");
if (stage) {
  const [picked, left, right, cut, zoom] = ["image", "left", "right", "cut", "zoom"].map(id => document.getElementById(id));
  const strip = document.getElementById("strip");
  const place = { x: 0.5, y: 0.5 };
  const current = () => data.examples[picked.value];
  const transform = () => {
    const factor = Number(zoom.value);
    const shift = axis => -(factor - 1) * place[axis] * 100 / factor;
    const text = `scale(${factor}) translate(${shift("x")}%, ${shift("y")}%)`;
    document.querySelectorAll(".view img").forEach(image => { image.style.transform = text; });
    document.querySelectorAll(".view").forEach(view => view.classList.toggle("near", factor > 2));
    document.getElementById("zoomed").textContent = `${factor}x`;
  };
  const slide = () => {
    const share = Number(cut.value);
    // Clipping is in the picture's own coordinates, before zoom: a frame around it stays where it is.
    stage.querySelector(".over").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    stage.querySelector(".bar").style.left = `${share}%`;
  };
  const show = () => {
    const { versions, width, height } = current();
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.querySelector(".under img").src = versions[right.value].uri;
    stage.querySelector(".over img").src = versions[left.value].uri;
    stage.querySelector(".under img").alt = right.value; stage.querySelector(".over img").alt = left.value;
    stage.querySelector(".tag.l").textContent = left.value; stage.querySelector(".tag.r").textContent = right.value;
    strip.replaceChildren(...Object.entries(versions).map(([name, version]) => {
      const figure = document.createElement("figure"), view = document.createElement("div"), image = document.createElement("img"), caption = document.createElement("figcaption");
      view.className = "view"; view.style.aspectRatio = `${width} / ${height}`;
      image.src = version.uri; image.alt = name; caption.textContent = version.value ? `${name}: ${version.value}` : name;
      view.append(image); figure.append(view, caption);
      return figure;
    }));
    transform(); slide();
  };
  const fill = () => {
    const names = Object.keys(current().versions);
    for (const [select, wanted] of [[left, left.value || "degraded"], [right, right.value || names[1]]]) {
      select.replaceChildren(...names.map(name => new Option(name, name)));
      select.value = names.includes(wanted) ? wanted : names[0];
    }
    show();
  };
  data.examples.forEach((example, number) => picked.append(new Option(example.title, number)));
  picked.addEventListener("change", fill);
  [left, right].forEach(select => select.addEventListener("change", show));
  cut.addEventListener("input", slide);
  zoom.addEventListener("input", transform);
  const at = event => { const box = stage.getBoundingClientRect(); return { x: Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1), y: Math.min(Math.max((event.clientY - box.top) / box.height, 0), 1) }; };
  stage.addEventListener("pointermove", event => {
    if (event.buttons & 1 && Number(zoom.value) > 1 && event.shiftKey) { Object.assign(place, at(event)); transform(); }
    else if (event.buttons & 1 || event.pointerType === "mouse") { cut.value = 100 * at(event).x; slide(); }
  });
  stage.addEventListener("dblclick", event => { Object.assign(place, at(event)); zoom.value = Number(zoom.value) > 1 ? 1 : 4; transform(); });
  stage.addEventListener("keydown", event => {
    const step = { ArrowLeft: ["x", -0.05], ArrowRight: ["x", 0.05], ArrowUp: ["y", -0.05], ArrowDown: ["y", 0.05] }[event.key];
    if (event.key === "+" || event.key === "-") { zoom.value = Number(zoom.value) + (event.key === "+" ? 1 : -1); transform(); }
    else if (step) { place[step[0]] = Math.min(Math.max(place[step[0]] + step[1], 0), 1); transform(); }
    else return;
    event.preventDefault();
  });
  fill();
}
