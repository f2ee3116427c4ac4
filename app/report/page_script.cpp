#include "app/report/page.h"

namespace app {

// Knows nothing of the batch: what stands in the document is all that it reads.
const char kPageScript[] = R"js(
'use strict';
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Tables: a click on a head sorts, another one turns the order; what has no value comes last.
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return null;
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    return text === '' || text === '–' ? null : text;
  };
  const collator = new Intl.Collator(undefined, {numeric: true, sensitivity: 'base'});
  const compare = (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
  const sortBy = (th) => {
    const table = th.closest('table'), body = table.tBodies[0], column = th.cellIndex;
    const down = th.getAttribute('aria-sort') === 'ascending';
    all('th[aria-sort]', table).forEach(other => other.setAttribute('aria-sort', 'none'));
    th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const rows = Array.from(body.rows).map((row, index) => ({row, index, key: keyOf(row, column)}));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return a.key === b.key ? a.index - b.index : a.key === null ? 1 : -1;
      return (down ? -1 : 1) * compare(a.key, b.key) || a.index - b.index;
    });
    body.append(...rows.map(one => one.row));
  };
  all('.sortable th button').forEach(button => button.addEventListener('click', () => sortBy(button.closest('th'))));

  // The table of jobs: words and state.
  const jobs = document.getElementById('jobstable');
  if (jobs) {
    const filter = document.querySelector('#jobs .filter'), chips = all('#jobs .chips button');
    const count = document.querySelector('#jobs .count');
    let state = '';
    const rows = Array.from(jobs.tBodies[0].rows).map(row => ({row, text: row.textContent.toLowerCase()}));
    const show = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const {row, text} of rows) {
        const fits = (!state || row.dataset.state === state) && words.every(word => text.includes(word));
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${rows.length}`;
    };
    filter.addEventListener('input', show);
    chips.forEach(chip => chip.addEventListener('click', () => {
      state = chip.dataset.state;
      chips.forEach(other => other.setAttribute('aria-pressed', String(other === chip)));
      show();
    }));
    // A link to a row that the filter hides shows it.
    window.addEventListener('hashchange', () => {
      const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!row || !row.hidden) return;
      filter.value = '';
      chips[0].click();
      row.scrollIntoView();
    });
    show();
  }

  // Measures: one table of them.
  const axis = document.querySelector('select.axis'), of = document.querySelector('select.of');
  if (axis && of) {
    const show = () => all('.measure').forEach(table => {
      table.hidden = table.dataset.axis !== axis.value || table.dataset.measure !== of.value;
    });
    axis.addEventListener('change', show);
    of.addEventListener('change', show);
    show();
  }

  // Clips: one by a click, several together from their first frame.
  const play = video => video.play().catch(() => {});
  all('video').forEach(video => {
    video.addEventListener('click', () => video.paused ? play(video) : video.pause());
    video.addEventListener('keydown', event => {
      if (event.key !== ' ' && event.key !== 'Enter') return;
      event.preventDefault();
      video.paused ? play(video) : video.pause();
    });
    video.addEventListener('dblclick', () => video.requestFullscreen && video.requestFullscreen().catch(() => {}));
  });
  all('button[data-play]').forEach(button => {
    const root = button.dataset.play === 'row' ? button.closest('tr') : button.closest('section');
    const label = button.textContent;
    button.addEventListener('click', () => {
      const videos = all('video', root), playing = videos.some(video => !video.paused);
      videos.forEach(video => {
        if (playing) return video.pause();
        if (video.readyState > 0) video.currentTime = 0;
        play(video);
      });
      button.textContent = playing ? label : label.replace('▶ play', '❚❚ pause').replace('▶', '❚❚');
    });
  });
  all('input.size').forEach(slider => slider.addEventListener('input', () => {
    slider.closest('section').style.setProperty('--clip', `${slider.value}px`);
  }));

  // Heat maps: what is under the pointer.
  all('.heat img').forEach(image => {
    const steps = Number(image.dataset.steps), layers = Number(image.dataset.layers);
    const values = image.dataset.values.split(','), said = image.closest('figure').querySelector('output');
    if (values.length < steps * layers) return said.remove();
    image.addEventListener('pointermove', event => {
      const box = image.getBoundingClientRect();
      const step = Math.min(steps - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * steps)));
      const layer = Math.min(layers - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * layers)));
      const value = values[layer * steps + step];
      said.textContent = `step ${step}, layer ${layer}: ${value === '-' ? 'not recorded' : value + ' %'}`;
    });
  });
})();
)js";

}  // namespace app
