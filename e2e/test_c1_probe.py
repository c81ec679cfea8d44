import pytest
from e2e.accounting import Fate
from e2e.telemetry import Telemetry
_GO = """async ({shutdown, delay, url, options}) => {
  window.port.postMessage({type: shutdown});
  if (delay) await new Promise(r => setTimeout(r, delay));
  const w = new SharedWorker(url, options);
  window.msgs2 = [];
  w.port.onmessage = ({data}) => window.msgs2.push(data.type);
}"""
@pytest.mark.parametrize("n", range(3))
@pytest.mark.parametrize("delay", [0,1,5,50])
def test_probe(telemetry: Telemetry, delay, n, request):
    tab = telemetry.open_tab()
    w = telemetry.implementation.worker
    old = telemetry.workers.wait_for()
    tab.page.evaluate(_GO, {"shutdown":"SHUTDOWN","delay":delay,"url":tab.script_url,"options":{"name":w.name,"type":w.type}})
    import time
    t=time.time()
    seen=[]
    while time.time()-t<3:
        telemetry.workers.idle()
        m = tab.page.evaluate("() => window.msgs2")
        s=(m, [x.ended for x in telemetry.workers.starts])
        if not seen or seen[-1][1:]!=s: seen.append((round(time.time()-t,3),*s))
    with open("/tmp/c1/probe.txt","a") as f: f.write(f"{request.node.name} {seen}\n")
    telemetry.accounted=True
