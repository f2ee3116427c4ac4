"""Opens a report.html in headless Chromium and checks what a reader would.

browser_check.py PAGE.html [SCREENSHOT.png WIDTH]

Speaks the DevTools protocol over a pipe. Fails for exceptions, console messages, requests other than the page itself
and data: URIs, sideways scrolling, tables that do not sort and filters that do not filter. Exit status 0 or 1.
"""
import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CHECKS = r"""
(async () => {
  const bad = [];
  const check = (good, what) => { if (!good) bad.push(what); };
  check(window.hacked === undefined, 'a script of the files ran');
  check(document.scripts.length === 1, 'scripts: ' + document.scripts.length);
  const width = document.documentElement.scrollWidth;
  check(width <= innerWidth, 'scrolls sideways: ' + width);
  const keys = (table, column) => Array.from(table.tBodies[0].rows).map(row => row.cells[column])
      .map(cell => cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v));
  for (const table of document.querySelectorAll('table.sortable')) {
    for (const th of table.querySelectorAll('th[aria-sort]')) {
      const before = keys(table, th.cellIndex).length;
      for (const order of ['ascending', 'descending']) {
        th.querySelector('button').click();
        check(th.getAttribute('aria-sort') === order, th.textContent + ' is not ' + order);
        const numbers = keys(table, th.cellIndex).filter(key => typeof key === 'number');
        const sign = order === 'ascending' ? 1 : -1;
        const sorted = numbers.every((key, i) => i === 0 || sign * (key - numbers[i - 1]) >= 0);
        check(sorted, th.textContent + ' is not sorted');
        check(keys(table, th.cellIndex).length === before, th.textContent + ' lost rows');
      }
    }
  }
  const filter = document.querySelector('#jobs .filter'), rows = [...document.querySelectorAll('#jobstable tbody tr')];
  const shown = () => rows.filter(row => !row.hidden).length;
  filter.value = 'no such word in any row';
  filter.dispatchEvent(new Event('input'));
  check(shown() === 0, 'the filter leaves ' + shown());
  filter.value = '';
  filter.dispatchEvent(new Event('input'));
  check(shown() === rows.length, 'the empty filter hides rows');
  for (const chip of document.querySelectorAll('#jobs .chips button')) {
    chip.click();
    const state = chip.dataset.state;
    check(shown() === rows.filter(row => !state || row.dataset.state === state).length, 'chip ' + state);
  }
  document.querySelector('#jobs .chips button').click();
  const of = document.querySelector('select.of');
  if (of) {
    for (const option of of.options) {
      of.value = option.value;
      of.dispatchEvent(new Event('change'));
      const tables = [...document.querySelectorAll('.measure')].filter(one => !one.hidden);
      check(tables.length === 1 && tables[0].dataset.measure === option.value, 'measure ' + option.value);
    }
  }
  for (const image of document.querySelectorAll('img')) {
    await image.decode().catch(() => bad.push('an image does not load'));
  }
  const video = document.querySelector('video');
  if (video) {
    const met = await new Promise(done => {
      video.addEventListener('loadeddata', () => done(video.videoWidth > 0));
      video.addEventListener('error', () => done(false));
      setTimeout(() => done(false), 20000);
      video.click();
    });
    check(met, 'a clip does not play');
  }
  return bad;
})()
"""


class Browser:
    def __init__(self, program, profile):
        to_child, self.out = os.pipe()
        self.inp, from_child = os.pipe()
        # Beyond 3 and 4, which the child's ends become.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_child, from_child)]

        def take_ends():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [program, '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run',
             '--disable-background-networking', '--remote-debugging-pipe', f'--user-data-dir={profile}'],
            preexec_fn=take_ends, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in (to_child, from_child, *ends):
            os.close(fd)
        self.rest, self.number, self.events = b'', 0, []

    def call(self, method, params=None, session=None):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params or {}}
        if session:
            message['sessionId'] = session
        os.write(self.out, json.dumps(message).encode() + b'\0')
        while True:
            while b'\0' in self.rest:
                one, self.rest = self.rest.split(b'\0', 1)
                answer = json.loads(one)
                if answer.get('id') == self.number:
                    if 'error' in answer:
                        raise RuntimeError(f'{method}: {answer["error"]}')
                    return answer['result']
                if 'method' in answer:
                    self.events.append(answer)
            got = os.read(self.inp, 1 << 20)
            if not got:
                raise RuntimeError('the browser ended')
            self.rest += got


def main():
    page = pathlib.Path(sys.argv[1]).resolve().as_uri()
    picture, width = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 3 else (None, 1400)
    program = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    bad = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            target = browser.call('Target.createTarget', {'url': 'about:blank'})['targetId']
            session = browser.call('Target.attachToTarget', {'targetId': target, 'flatten': True})['sessionId']
            for domain in ('Page', 'Runtime', 'Log', 'Network'):
                browser.call(domain + '.enable', session=session)
            size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False}
            browser.call('Emulation.setDeviceMetricsOverride', size, session)
            browser.call('Page.navigate', {'url': page}, session)
            while browser.call('Runtime.evaluate', {'expression': 'location.href + document.readyState'},
                               session)['result']['value'] != page + 'complete':
                pass
            if picture:
                shot = browser.call('Page.captureScreenshot', {'format': 'png'}, session)
                pathlib.Path(picture).write_bytes(base64.b64decode(shot['data']))
            result = browser.call('Runtime.evaluate',
                                  {'expression': CHECKS, 'awaitPromise': True, 'returnByValue': True}, session)
            bad += result['result'].get('value') or [] if 'exceptionDetails' not in result else [str(result)]
        finally:
            browser.process.kill()
            browser.process.wait()
        for event in browser.events:
            if event['method'] in ('Runtime.exceptionThrown', 'Log.entryAdded', 'Runtime.consoleAPICalled'):
                bad.append(json.dumps(event)[:400])
            if event['method'] == 'Network.requestWillBeSent':
                url = event['params']['request']['url']
                if not url.startswith('data:') and url != page and not (url.startswith('file:') and '/out/' in url):
                    bad.append('request: ' + url[:200])
    print('\n'.join(bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
