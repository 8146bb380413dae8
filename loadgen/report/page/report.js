'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
  const charts = [];
  const kGap = '\u2013';

  const count = (v) => {
    const a = Math.abs(v);
    const cut = (x, unit) => (x < 9.995 ? x.toFixed(2) : x < 99.95 ? x.toFixed(1) : x.toFixed(0)).replace(/\.0+$|(\.\d*?)0+$/, '$1') + unit;
    return a < 9999.5 ? String(+v.toFixed(a < 10 ? 1 : 0)) : a < 999.5e3 ? cut(v / 1e3, ' k') : a < 999.5e6 ? cut(v / 1e6, ' M') : cut(v / 1e9, ' G');
  };
  const time = (ms) => {
    if (ms === 0) return '0';
    const [v, unit] = ms < 1 ? [ms * 1e3, ' \u00b5s'] : ms < 1000 ? [ms, ' ms'] : [ms / 1e3, ' s'];
    return +v.toPrecision(3) + unit;
  };
  const share = (v) => +(100 * v).toFixed(v > 0.99 && v < 1 ? 3 : 1) + ' %';
  const bytes = (v) => (v < 1e6 ? +(v / 1e3).toPrecision(3) + ' kB' : v < 1e9 ? +(v / 1e6).toPrecision(3) + ' MB' : +(v / 1e9).toPrecision(3) + ' GB');
  const clock = (s) => {
    const two = (n) => String(n).padStart(2, '0');
    const all = Math.round(s);
    return all < 3600 ? Math.floor(all / 60) + ':' + two(all % 60) : Math.floor(all / 3600) + ':' + two(Math.floor(all / 60) % 60) + ':' + two(all % 60);
  };
  // The share of values below: x is 1/(1-q).
  const percentile = (x) => {
    const nines = Math.round(Math.log10(x));
    return nines === 0 ? '0 %' : nines === 1 ? '90 %' : '99' + (nines > 2 ? '.' + '9'.repeat(nines - 2) : '') + ' %';
  };

  // Stages as bands behind the lines, faults as marks over them.
  const shades = {
    hooks: {
      drawClear: (u) => {
        const { ctx, bbox } = u;
        const at = (s) => Math.min(Math.max(u.valToPos(s, 'x', true), bbox.left), bbox.left + bbox.width);
        ctx.save();
        ctx.font = Math.round(11 * devicePixelRatio) + 'px ' + css('font');
        ctx.textBaseline = 'top';
        data.stages.forEach((stage, i) => {
          const left = at(stage.from_s), width = at(stage.until_s) - left;
          if (i % 2 === 1 || !stage.measured) {
            ctx.fillStyle = css('stage');
            ctx.fillRect(left, bbox.top, width, bbox.height);
          }
          const text = stage.measured ? stage.name : stage.name + ' (not measured)';
          if (ctx.measureText(text).width + 8 * devicePixelRatio < width) {
            ctx.fillStyle = css('text-3');
            ctx.fillText(text, left + 4 * devicePixelRatio, bbox.top + 3 * devicePixelRatio);
          }
        });
        ctx.restore();
      },
      draw: (u) => {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.font = Math.round(11 * devicePixelRatio) + 'px ' + css('font');
        ctx.textBaseline = 'top';
        data.faults.forEach((fault, i) => {
          if (fault.at_s < u.scales.x.min || fault.at_s > u.scales.x.max) return;
          const left = Math.round(u.valToPos(fault.at_s, 'x', true));
          const right = Math.min(u.valToPos(fault.until_s, 'x', true), bbox.left + bbox.width);
          ctx.globalAlpha = 0.1;
          ctx.fillStyle = ctx.strokeStyle = css('bad');
          ctx.fillRect(left, bbox.top, Math.max(right - left, 0), bbox.height);
          ctx.globalAlpha = 1;
          ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
          ctx.lineWidth = devicePixelRatio;
          ctx.beginPath();
          ctx.moveTo(left, bbox.top);
          ctx.lineTo(left, bbox.top + bbox.height);
          ctx.stroke();
          const width = ctx.measureText(fault.name).width, gap = 4 * devicePixelRatio;
          const fits = left + gap + width < bbox.left + bbox.width;
          ctx.textAlign = fits ? 'left' : 'right';
          ctx.fillText(fault.name, fits ? left + gap : left - gap, bbox.top + (17 + 14 * (i % 3)) * devicePixelRatio);
        });
        ctx.restore();
      },
    },
  };

  function draw(chart) {
    const { box, plot } = chart;
    if (chart.u) chart.u.destroy();
    const log = chart.log;
    const shown = plot.series.map((s) => (log ? plot.columns[s.key].map((v) => (v > 0 ? v : null)) : plot.columns[s.key]));
    const keys = [...box.parentElement.querySelectorAll('.key b')];
    const where = box.parentElement.querySelector('.where');
    const say = (u) => {
      const at = u.cursor.left >= 0 && u.cursor.idx != null ? u.cursor.idx : plot.rest;
      where.textContent = at == null ? plot.summary : 'at ' + (plot.over ? share(1 - 1 / plot.x[at]) : clock(plot.x[at]));
      plot.series.forEach((s, i) => {
        const v = at == null ? s.summary : plot.columns[s.key][at];
        keys[i].textContent = v == null ? kGap : plot.format(v);
      });
    };
    const axis = { size: 26, stroke: css('text-3'), font: '11px ' + css('font'), ticks: { show: false }, grid: { stroke: css('grid'), width: 1 } };
    const opts = {
      width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [8, plot.over ? 28 : 16, 0, 0],
      cursor: { points: { size: 6 }, drag: { x: true, y: false, setScale: true }, ...(plot.over ? {} : { sync: { key: 'time' } }) },
      scales: { x: plot.over ? { time: false, distr: 3, range: [1, Math.max(...plot.x, 10)] } : { time: false, range: (u, min, max) => [min, max > min ? max : min + 1] },
                y: { distr: log ? 3 : 1, range: log ? (u, min, max) => [10 ** Math.floor(Math.log10(min)), 10 ** Math.ceil(Math.log10(max) + 1e-9)] : (u, min, max) => [0, max > 0 ? max * 1.08 : 1] } },
      series: [{}, ...plot.series.map((s) => ({
        stroke: css(s.colour), width: s.width || 1.5, dash: s.dash, spanGaps: false, points: { show: plot.x.length < 2 },
        fill: s.fill ? css(s.colour) + '1a' : undefined }))],
      axes: [
        plot.over ? { ...axis, splits: (u) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => 10 ** n).filter((x) => x <= u.scales.x.max), values: (u, all) => all.map(percentile), space: 30 }
                  : { ...axis, space: 64, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600], values: (u, all) => all.map(clock) },
        { ...axis, size: 60, values: (u, all) => all.map((v) => (v == null ? '' : plot.format(v))) }],
      plugins: plot.over ? [] : [shades],
      hooks: { setCursor: [say], ready: [say] },
    };
    chart.u = new uPlot(opts, [plot.x, ...shown], box);
  }

  function add(id, plot) {
    const box = document.getElementById(id);
    if (!box || plot.x.length === 0) return;
    const chart = { box, plot, log: false };
    const caption = box.parentElement.querySelector('figcaption');
    const where = document.createElement('span');
    where.className = 'small where num';
    caption.append(where);
    for (const s of plot.series) {
      const key = document.createElement('span');
      key.className = s.dash ? 'key dash' : 'key';
      key.style.setProperty('--of', 'var(--' + s.colour + ')');
      key.append(s.name + ' ', document.createElement('b'));
      caption.append(key);
    }
    if (plot.switchable) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = 'log scale';
      const set = (log) => { chart.log = log; button.setAttribute('aria-pressed', log); };
      set(plot.log);
      button.onclick = () => { set(!chart.log); draw(chart); };
      caption.append(button);
    }
    charts.push(chart);
    draw(chart);
  }

  const t = data.timeline;
  const peak = (key) => t[key].reduce((a, b) => (b != null && b > a ? b : a), 0);
  const last = (key) => t[key][t[key].length - 1];
  add('rate', { x: t.second, columns: t, format: count, summary: 'mean', series: [
    { key: 'sent', name: 'sent/s', colour: 'c5', dash: [4, 3], summary: data.summary.sent },
    { key: 'acked', name: 'acknowledged/s', colour: 'c1', fill: true, summary: data.summary.acked }] });
  const times = data.summary.latency;
  add('latency', { x: t.second, columns: t, format: time, summary: 'whole run', switchable: true, log: times.max > 50 * times.p50, series: [
    { key: 'max', name: 'max', colour: 'c5', width: 1, summary: times.max },
    { key: 'p99', name: 'p99', colour: 'c2', summary: times.p99 },
    { key: 'p90', name: 'p90', colour: 'c3', summary: times.p90 },
    { key: 'p50', name: 'p50', colour: 'c1', summary: times.p50 }] });
  add('connections', { x: t.second, columns: t, format: count, summary: 'at the end', series: [
    { key: 'connected', name: 'online', colour: 'c3', fill: true, summary: last('connected') },
    { key: 'in_flight', name: 'messages in flight', colour: 'c4', summary: last('in_flight') }] });
  add('errors', { x: t.second, columns: t, format: count, summary: 'most', series: [
    { key: 'errors', name: 'errors/s', colour: 'c2', fill: true, summary: peak('errors') }] });
  if (data.server) {
    add('server-cpu', { x: data.server.second, columns: data.server, format: share, summary: 'mean', series: [
      { key: 'cpu', name: 'of one core', colour: 'c1', fill: true, summary: data.server.cpu_mean }] });
    add('server-rss', { x: data.server.second, columns: data.server, format: bytes, summary: 'most', series: [
      { key: 'rss', name: 'resident memory', colour: 'c4', fill: true, summary: data.server.rss_max }] });
  }
  const colours = ['c1', 'c5', 'c2', 'c3', 'c4'];
  add('percentiles', { x: data.curve.x, columns: data.curve.values, format: time, switchable: true, over: true, rest: Math.max(data.curve.x.findIndex((x) => x >= 99.9), 0), log: times.max > 50 * times.p50,
    series: data.curve.names.map((name, i) => ({ key: i, name, colour: colours[i % 5], width: i === 0 ? 2 : 1.25, dash: i > 4 ? [2, 2] : i === 1 ? [4, 3] : undefined })) });

  const again = () => charts.forEach(draw);
  let waiting = 0;
  addEventListener('resize', () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(again); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  matchMedia('print').addEventListener('change', again);
})();
