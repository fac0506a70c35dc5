// The example site: node example/server.mjs, with a sessiond running (sessiond serve).
//
// PORT: where it listens; default 3000. SESSION_SECRET: signs the cookie. SESSIOND_ADDR, SESSIOND_NAMESPACE: the store.
// Over TLS: SESSIOND_ADDR=https://HOST:PORT with SESSIOND_CA_FILE, SESSIOND_CERTIFICATE_FILE, SESSIOND_KEY_FILE.
import { makeApp } from "./app.mjs";

const port = Number(process.env.PORT ?? 3000);
makeApp().listen(port, () => console.log(`http://localhost:${port}`));
