"""The look of the page: type, space, light and dark, a telephone, paper."""

from __future__ import annotations

from joulecast.reporting.palette import DARK, LIGHT, variables

_PAGE = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",Arial,sans-serif}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 var(--sans);
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.page{max-width:74rem;margin:0 auto;padding:3.5rem 1.5rem 5rem;display:grid;
grid-template-columns:minmax(0,1fr);gap:0 4rem}
h1{font-size:2.1rem;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0 0 .4rem}
h2{font-size:1.35rem;line-height:1.3;font-weight:650;margin:4rem 0 .8rem;
padding-top:1.2rem;border-top:1px solid var(--rule)}
h3{font-size:1.02rem;font-weight:650;margin:2.2rem 0 .5rem}
p{margin:.5rem 0;max-width:44rem}
a{color:var(--c1);text-decoration-thickness:1px;text-underline-offset:.18em}
.lead{color:var(--muted);max-width:46rem}
.tag{font-size:.75rem;font-weight:500;color:var(--muted);border:1px solid var(--rule);
border-radius:1rem;padding:.1rem .6rem;margin-left:.4rem;white-space:nowrap;vertical-align:.1em}
.three{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:1.6rem 2.4rem;
margin:2.2rem 0 0;padding:0}
.three div{border-top:2px solid var(--ink);padding-top:.7rem}
.three dt{font-size:.85rem;color:var(--muted)}
.three dd{margin:0}
.three .big{font-size:2.1rem;line-height:1.25;font-weight:600;letter-spacing:-.02em}
.three .by{font-size:.88rem;color:var(--muted);line-height:1.45}
nav{font-size:.9rem;margin:2.4rem 0 0}
nav ol{list-style:none;margin:0;padding:0}
nav li{margin:.28rem 0;line-height:1.4}
nav ol ol{padding-left:.9rem}
nav a{color:var(--muted);text-decoration:none}
nav a:hover,nav a:focus-visible{color:var(--c1);text-decoration:underline}
nav .top{color:var(--ink)}
figure{margin:2.6rem 0 0}
figure h3{margin:0 0 .7rem}
figcaption{font-size:.92rem;color:var(--ink);max-width:44rem;margin-top:.7rem;line-height:1.55}
svg.fig{display:block;width:100%;height:auto}
svg.fig *{stroke-linejoin:round;stroke-linecap:butt}
svg.narrow{display:none}
details{margin:.7rem 0;font-size:.88rem}
summary{cursor:pointer;color:var(--muted);width:fit-content}
summary:hover{color:var(--ink)}
.wide-table{overflow-x:auto;margin:.6rem 0;scrollbar-width:thin}
table{border-collapse:collapse;font-size:.86rem;line-height:1.4;min-width:min(100%,26rem)}
th,td{text-align:left;padding:.36rem 1.3rem .36rem 0;border-bottom:1px solid var(--rule);
vertical-align:baseline;overflow-wrap:normal}
th{font-weight:550;color:var(--muted);white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap}
td.short{white-space:nowrap}
td.long{min-width:15rem}
.more{color:var(--muted);font-size:.86rem}
ul.plain{padding:0;list-style:none;margin:.6rem 0}
ul.plain li{margin:.7rem 0;padding-left:1.1rem;border-left:2px solid var(--rule);max-width:44rem}
ul.plain .kind{color:var(--muted);font-size:.82rem;display:block}
ul.notes{padding-left:1.1rem;color:var(--muted);font-size:.9rem;max-width:44rem}
footer{margin-top:5rem;padding-top:1rem;border-top:1px solid var(--rule);color:var(--muted);
font-size:.85rem}
:focus-visible{outline:2px solid var(--c1);outline-offset:2px}
@media (min-width:70rem){
.page{grid-template-columns:13rem minmax(0,1fr)}
.page header,.page main,.page footer{grid-column:2}
.page nav{grid-column:1;grid-row:1/span 3;margin:.4rem 0 0}
.page nav>ol{position:sticky;top:2.5rem;max-height:calc(100vh - 5rem);overflow-y:auto}
}
@media screen and (max-width:40rem){
.page{padding:2rem 1.1rem 3rem}
h1{font-size:1.65rem}
h2{margin-top:3rem}
svg.wide{display:none}
svg.narrow{display:block}
}
@media print{
:root{--paper:#fff}
html{font-size:13px}
body{line-height:1.45}
.page{display:block;padding:0;max-width:none}
nav,summary{display:none}
details:not([open]){display:none}
h2{margin-top:2rem}
h2,h3{break-after:avoid}
figure,.three,tr,ul.plain li{break-inside:avoid}
svg.fig{max-height:20cm}
.wide-table{overflow:visible}
table{font-size:8pt}
a{color:inherit;text-decoration:none}
@page{margin:18mm 16mm}
}
"""


def sheet() -> str:
    """The page's style sheet: the colours of light, of dark on a screen, and the rest."""
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    return f":root{{{variables(LIGHT)}}}{dark}{_PAGE}"
