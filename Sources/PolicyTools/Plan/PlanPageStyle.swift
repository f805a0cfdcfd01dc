/// The looks and the little behavior of a plan's page.
enum PlanPageStyle {
    static let css = """
        :root{--ground:#f6f7f9;--sheet:#fff;--ink:#1b2330;--soft:#5d6b7e;--line:#e3e7ed;--current:#94a3b8;--candidate:#2563eb;
        --gained:#0d9488;--lost:#d97706;--both:#2563eb;--neither:#cfd6df;--error:#dc2626;--tip:#1b2330;--tipink:#fff}
        @media(prefers-color-scheme:dark){:root{--ground:#0e131b;--sheet:#161d28;--ink:#e6ebf2;--soft:#93a1b5;--line:#263042;
        --current:#8291a7;--candidate:#60a5fa;--gained:#2dd4bf;--lost:#fbbf24;--both:#60a5fa;--neither:#3a475c;--error:#f87171;
        --tip:#e6ebf2;--tipink:#0e131b}}
        *{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}main{max-width:1120px;margin:0 auto;padding:32px 20px 60px}
        h1{font-size:30px;margin:0 0 6px;letter-spacing:-.02em}h2{font-size:18px;margin:0 0 14px}h3{font-size:13px;font-weight:500;
        margin:0;color:var(--soft)}h2 small,p small,li small{color:var(--soft);font-weight:400;font-size:13px}p{margin:0}
        code{font:13px ui-monospace,SFMono-Regular,Menlo,monospace;background:color-mix(in srgb,var(--soft) 12%,transparent);
        padding:1px 6px;border-radius:5px;overflow-wrap:anywhere}.id{cursor:pointer}
        header{margin-bottom:22px}.sides{margin-bottom:4px}.arrow{color:var(--soft);margin:0 8px}.facts{color:var(--soft)}
        section{background:var(--sheet);border:1px solid var(--line);border-radius:14px;padding:20px 22px;margin-bottom:18px;overflow-x:auto}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:14px;background:none;border:0;padding:0}
        .card{background:var(--sheet);border:1px solid var(--line);border-radius:14px;padding:16px 18px}
        .card h3{display:flex;justify-content:space-between;align-items:center;gap:8px}
        .big{font-size:26px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.before{color:var(--soft);font-size:13px}
        .change{font-size:13px;font-weight:600;padding:2px 8px;border-radius:99px;vertical-align:middle;letter-spacing:0;white-space:nowrap}
        .change.up{color:var(--gained);background:color-mix(in srgb,var(--gained) 14%,transparent)}
        .change.down{color:var(--lost);background:color-mix(in srgb,var(--lost) 14%,transparent)}.change.same{color:var(--soft)}
        td.up{color:var(--gained)}td.down{color:var(--lost)}.dim{color:var(--soft)}
        .key{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
        .current{background:var(--current);--c:var(--current)}.candidate{background:var(--candidate);--c:var(--candidate)}
        .gained{background:var(--gained)}.lost{background:var(--lost);--c:var(--lost)}.both{background:var(--both)}.neither{background:var(--neither)}
        .stack{display:flex;height:30px;border-radius:8px;overflow:hidden;background:var(--neither)}.stack i{height:100%;min-width:2px}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 22px;padding:0;margin:12px 0 0;font-size:14px}
        .chart{width:100%;min-width:620px;height:auto;display:block}.chart .grid line{stroke:var(--line)}.chart text{fill:var(--soft);font-size:12px}
        .chart .line{fill:none;stroke-width:1.7;stroke-linejoin:round;background:none}.chart .line.current{stroke:var(--current)}.chart .line.candidate{stroke:var(--candidate)}
        .chart .area{opacity:.16}.chart .area.current{fill:var(--current)}.chart .area.candidate{fill:var(--candidate)}
        .hit{fill:transparent}.hit:hover{fill:color-mix(in srgb,var(--soft) 14%,transparent)}
        table{border-collapse:collapse;width:100%;font-size:14px}th{font-weight:500;color:var(--soft);text-align:left;font-size:12.5px;
        border-bottom:1px solid var(--line);padding:4px 10px 6px 0;cursor:pointer;white-space:nowrap;user-select:none}
        td{padding:6px 10px 6px 0;border-bottom:1px solid color-mix(in srgb,var(--line) 60%,transparent);vertical-align:middle}
        tr:last-child td{border-bottom:0}td:first-child{overflow-wrap:anywhere;min-width:120px}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .n+td:not(.n),.n+th:not(.n){padding-left:18px}.type{color:var(--soft);white-space:nowrap}td.bars{width:30%;min-width:150px}.bar{display:flex;height:9px;margin:2px 0}.bar i{background:var(--c);height:100%}
        .bar i:first-child{border-radius:3px 0 0 3px}.bar i:last-child{border-radius:0 3px 3px 0}.bar i:only-child{border-radius:3px}
        .middle{opacity:.62}.faint{opacity:.26}.never td,.never em{color:var(--lost)}.gone td:first-child{color:var(--error)}
        .error{color:var(--error);font-size:12px;border:1px solid currentColor;border-radius:4px;padding:0 5px;margin-left:6px}
        .shades .key{vertical-align:baseline}.note,footer{color:var(--soft);font-size:13px;margin-top:12px}
        #tip{position:fixed;pointer-events:none;background:var(--tip);color:var(--tipink);font-size:13px;padding:5px 9px;border-radius:7px;max-width:420px;z-index:9}
        @media print{body{background:#fff}section,.card{break-inside:avoid}}
        """

    static let script = """
        const tip=document.getElementById('tip');
        document.addEventListener('mousemove',e=>{const t=e.target.closest('[data-tip]');if(!t){tip.hidden=true;return}
        tip.textContent=t.dataset.tip;tip.hidden=false;const r=tip.getBoundingClientRect();
        tip.style.left=Math.max(4,Math.min(e.clientX+14,innerWidth-r.width-8))+'px';
        tip.style.top=Math.max(4,e.clientY+18+r.height>innerHeight?e.clientY-r.height-10:e.clientY+18)+'px'});
        document.querySelectorAll('table.sortable').forEach(t=>{t.querySelectorAll('th').forEach((h,i)=>{if(h.classList.contains('bars'))return;
        h.addEventListener('click',()=>{const d=h.dataset.d==='1'?-1:1;h.dataset.d=d;const b=t.tBodies[0];
        const v=r=>{const c=r.cells[i];return c.dataset.v!==undefined?-parseFloat(c.dataset.v):c.textContent.toLowerCase()};
        [...b.rows].sort((x,y)=>{const p=v(x),q=v(y);return (p<q?-1:p>q?1:0)*d}).forEach(r=>b.appendChild(r))})})});
        document.querySelectorAll('.id').forEach(c=>c.addEventListener('click',()=>{if(navigator.clipboard)navigator.clipboard.writeText(c.textContent)}));
        """
}
