// The session that is measured: about 500 bytes, as sites have them.
export const DAY = 86_400_000;

export const data = (n) => ({
  cookie: {
    originalMaxAge: DAY,
    expires: new Date(Date.now() + DAY),
    secure: true,
    httpOnly: true,
    path: "/",
    sameSite: "lax",
  },
  passport: { user: `user-${n}` },
  csrfSecret: "3f2a7e9c1b5d8f604a6e2c7b9d1f3e5a",
  returnTo: "/account/orders?page=2",
  locale: "en-GB",
  flash: { info: ["Your settings were saved."] },
  cart: [
    { sku: "A-1001", quantity: 2, price: 19.99 },
    { sku: "B-2002", quantity: 1, price: 249.5 },
  ],
  views: n,
  lastSeen: "2026-11-26T20:15:00.000Z",
});
