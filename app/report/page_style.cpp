#include "app/report/page.h"

namespace app {

const char kPageStyle[] = R"css(
:root{color-scheme:light dark;--paper:#f6f6f4;--card:#fff;--ink:#1c1d20;--faint:#6a6e76;--line:#dcdcd8;--accent:#9a5b00;
--link:#0b62a8;--done:#2f8f4e;--failed:#c8323a;--left:#8a8f98;--s1:#7a5bd0;--s2:#d9822b;--s3:#2a86b8;--s4:#4d9a53;
--s5:#a9adb5;--clip:192px}
@media(prefers-color-scheme:dark){:root{--paper:#141518;--card:#1d1f23;--ink:#e8e8e6;--faint:#9ba0a9;--line:#33363c;
--accent:#ffb454;--link:#59c2ff;--done:#5cb97a;--failed:#f26d70;--left:#7b818b;--s1:#a58bf0;--s2:#f0a050;--s3:#55b0e0;
--s4:#7cc582;--s5:#5f646d}}
*{box-sizing:border-box}
html{scroll-padding-top:56px}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1320px;margin:0 auto;padding:24px 20px 80px}
h1{font-size:26px;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:19px;margin:0 0 8px}
h3{font-size:16px;margin:20px 0 6px}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
code,pre{font:13px/1.5 ui-monospace,"Cascadia Mono",Menlo,monospace}
pre{margin:6px 0;padding:10px 12px;background:var(--paper);border:1px solid var(--line);border-radius:6px;
overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
.note{color:var(--faint);font-size:13px;font-weight:400}
p.note{margin:4px 0 10px;max-width:100ch;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:18px 0;
scroll-margin-top:52px}
nav{display:flex;gap:4px 16px;position:sticky;top:0;z-index:3;padding:10px 2px;margin:8px 0;background:var(--paper);
border-bottom:1px solid var(--line);overflow-x:auto;white-space:nowrap}
nav a{text-transform:capitalize;font-size:14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(148px,1fr));gap:10px;margin:16px 0 10px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 12px;display:flex;
flex-direction:column}
.tile b{font-size:20px;line-height:1.35;font-variant-numeric:tabular-nums;font-weight:600}
.tile span{color:var(--faint);font-size:13px;line-height:1.3}
.tile.done b{color:var(--done)}.tile.failed b{color:var(--failed)}.tile.left b{color:var(--accent)}
.bar{display:flex;height:8px;border-radius:4px;overflow:hidden;background:var(--line);gap:2px}
i.done{background:var(--done)}i.failed{background:var(--failed)}i.left{background:var(--left)}
i.encode{background:var(--s1)}i.denoise{background:var(--s2)}i.decode{background:var(--s3)}i.write{background:var(--s4)}
i.other{background:var(--s5)}
i.key{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 12px}
i.key:first-of-type{margin-left:2px}
.cause{border-left:3px solid var(--failed);padding:0 0 0 14px;margin:16px 0}
.cause h3{margin:0}.cause>p{margin:2px 0 8px;max-width:90ch}
details{margin:4px 0}summary{cursor:pointer}
.message{font-weight:500;margin:6px 0;overflow-wrap:anywhere}
ul.columns{columns:260px auto;margin:8px 0;padding-left:18px;overflow-wrap:anywhere}
.tools{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin:6px 0 12px}
button,select,input[type=search]{font:inherit;font-size:14px;color:inherit;background:var(--paper);border:1px solid
var(--line);border-radius:6px;padding:4px 10px}
button{cursor:pointer}
button:hover,select:hover{border-color:var(--faint)}
:focus-visible{outline:2px solid var(--link);outline-offset:1px}
input[type=search]{min-width:230px}
input[type=range]{vertical-align:middle;width:120px;accent-color:var(--link)}
.chips{display:inline-flex;gap:4px}.chips [aria-pressed=true]{background:var(--ink);color:var(--card)}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
.sortable th,.sortable td,.slow td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;white-space:nowrap;unicode-bidi:isolate}
.sortable td.wide,.slow td.wide{white-space:normal;min-width:110px;max-width:340px;overflow-wrap:anywhere}
.sortable td.prompt{min-width:230px}
.sortable td.statecell,.sortable td.worst{white-space:normal;overflow-wrap:anywhere}
.sortable td.worst{min-width:260px}
.sortable td.files{white-space:normal;min-width:180px;overflow-wrap:anywhere}
.sortable .n,.slow .n{text-align:right}
.sortable th{color:var(--faint);font-weight:500;font-size:13px;border-bottom-color:var(--faint);vertical-align:bottom}
.sortable th button{all:unset;cursor:pointer;border-radius:3px}
.sortable th button:hover{color:var(--ink)}
.sortable th button:focus-visible{outline:2px solid var(--link)}
.sortable th[aria-sort=ascending] button::after{content:" ▲";font-size:10px}
.sortable th[aria-sort=descending] button::after{content:" ▼";font-size:10px}
#jobstable{content-visibility:auto}
#jobstable td:first-child,#jobstable th:first-child{position:sticky;left:0;background:var(--card)}
#jobstable tbody tr:hover td{background:var(--paper)}
tr:target td{background:color-mix(in srgb,var(--accent) 22%,var(--card))!important}
.state{display:inline-block;padding:0 8px;border-radius:9px;font-size:12px;line-height:18px;color:#fff}
.state.done{background:var(--done)}.state.failed{background:var(--failed)}.state.left{background:var(--left)}
@media(prefers-color-scheme:dark){.state{color:#141518}}
.nobreak{white-space:nowrap}
.ci line{stroke:var(--s3);stroke-width:2.5}.ci circle{fill:var(--s3)}
.grid th,.grid td{padding:4px 6px;vertical-align:top;text-align:left;font-weight:500;font-size:13px}
.grid thead th{padding-bottom:2px;max-width:var(--clip);overflow-wrap:anywhere}
.grid th[scope=row]{position:sticky;left:0;background:var(--card);min-width:110px;max-width:190px;z-index:1;
overflow-wrap:anywhere}
.grid th[scope=row] span{display:block}
.grid th[scope=row] button{margin-top:6px;font-size:12px;padding:1px 8px}
.flow{display:flex;flex-wrap:wrap;gap:12px}
figure{margin:0}
.flow figure,.grid figure{width:var(--clip)}
.media,.none{display:block;width:var(--clip);height:auto;border-radius:5px;background:var(--line)}
.media.small{image-rendering:pixelated}
video.media{cursor:pointer}
.none{aspect-ratio:16/9;display:grid;place-items:center;color:var(--faint);font-size:13px;background:none;
border:1px dashed var(--line)}
.none.failed{color:var(--failed);border-color:var(--failed)}
.map{display:block;width:var(--clip);height:18px;image-rendering:pixelated;border-radius:3px;margin-top:3px}
figcaption{font-size:12.5px;line-height:1.4;margin-top:3px}
figcaption span{display:block;overflow-wrap:anywhere}
figcaption .what{font-weight:500}
.grid figcaption .job{font-size:11.5px}
a.file{font-size:12px}
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:20px}
.heat figcaption{margin-bottom:4px}
.axes{display:grid;grid-template-columns:22px 1fr;grid-template-rows:auto 20px;font-size:12px;color:var(--faint)}
.axes .y{writing-mode:vertical-rl;transform:rotate(180deg);text-align:center}
.axes .x{grid-column:2;text-align:center}
.axes img{display:block;width:100%;max-height:300px;image-rendering:pixelated;border-radius:4px;cursor:crosshair}
.legend{display:inline-block;width:120px;height:10px;border-radius:3px;vertical-align:middle;background:linear-gradient(
90deg,rgb(35,12,64),rgb(52,66,122),rgb(28,116,126),rgb(62,158,96),rgb(164,194,70),rgb(250,228,96))}
.time{min-width:700px;width:100%;height:auto;display:block}
.time line{stroke:var(--line)}
.time text{fill:var(--faint);font:12px system-ui,sans-serif}
.time text.process{fill:var(--ink)}
.time rect.done{fill:var(--done)}.time rect.failed{fill:var(--failed)}.time rect.left{fill:var(--left)}
.time rect:hover{opacity:.75}
.slow{width:100%}.slow .stack{width:60%;vertical-align:middle}
.stack i{display:inline-block;height:14px}
.stack i:first-child{border-radius:3px 0 0 3px}.stack i:last-child{border-radius:0 3px 3px 0}
@media(max-width:640px){main{padding:14px 10px 60px}section{padding:14px 12px;border-radius:8px}
.tiles{grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:8px}.tile{padding:8px 10px}.tile b{font-size:17px}
h1{font-size:21px}.grid th[scope=row]{min-width:84px;max-width:104px}.slow .stack{width:45%}
input[type=search]{min-width:0;width:100%}}
@media print{nav,.tools,th button::after{display:none}section{break-inside:avoid-page;border:0;padding:0}}
)css";

}  // namespace app
