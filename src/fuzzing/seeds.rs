//! Makes the first inputs of `fuzz/corpus` from real data: `cargo test --lib make_seeds -- --ignored`.

use crate::config::ServeArgs;
use crate::encryption::WRAPPED_BYTES;
use crate::engine::{encode_event, encode_record};
use crate::model::{
    Attribute, Attributes, Credential, Event, EventKind, Handle, Record, ResumeToken, SecretHash, Ticket,
};
use crate::proto::call::Method;
use crate::proto::{self, Call, CreateSessionRequest, ExchangeRequest, GetSessionRequest, UpdateSessionRequest};
use bytes::Bytes;
use prost::Message;
use smallvec::smallvec;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The bytes of a stored row before its content.
const ROW_HEADER: usize = 5;

/// An attribute of every kind: null, bool, int, double, text, bytes, time, list, map, opaque.
const ENTRIES: [&[u8]; 10] = [
    b"\x0a\x01n\x12\x02\x08\x00",
    b"\x0a\x01b\x12\x02\x10\x01",
    b"\x0a\x01i\x12\x02\x18\x2a",
    b"\x0a\x01d\x12\x09\x21\x00\x00\x00\x00\x00\x00\xf0\x3f",
    b"\x0a\x01s\x12\x06\x2a\x04text",
    b"\x0a\x01y\x12\x04\x32\x02\x00\xff",
    b"\x0a\x01t\x12\x08\x3a\x06\x08\x80\x08\x10\xe8\x07",
    b"\x0a\x01l\x12\x06\x42\x04\x0a\x02\x18\x01",
    b"\x0a\x01m\x12\x0b\x4a\x09\x0a\x07\x0a\x01k\x12\x02\x18\x01",
    b"\x0a\x01o\x12\x0b\x52\x09\x0a\x04gob1\x12\x01x",
];

#[test]
#[ignore = "writes fuzz/corpus"]
fn make_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let seeds = [
        access(),
        backup(),
        calls(),
        clock(),
        encryption(),
        json(),
        messages(),
        pages(),
        redo(),
        rows(),
        secrets(),
        settings(),
        values(),
    ];
    for (target, seeds) in seeds.into_iter().flatten() {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).unwrap();
        let number = fs::read_dir(&folder).unwrap().count();
        let known = || fs::read_dir(&folder).unwrap().any(|file| fs::read(file.unwrap().path()).unwrap() == seeds);
        if !known() {
            fs::write(folder.join(format!("seed-{number:02}")), seeds).unwrap();
        }
    }
}

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn seeds(target: &'static str, inputs: impl IntoIterator<Item = Vec<u8>>) -> Seeds {
    inputs.into_iter().map(|input| (target, input)).collect()
}

fn join(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// A piece behind its length, as [`Input::piece`](super::Input::piece) reads it.
fn piece(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn handle() -> Handle {
    Handle::from_slice(&[1, 0x9b, 0x76, 0xda, 0xa8, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]).unwrap()
}

fn hash(byte: u8) -> SecretHash {
    SecretHash::from_slice(&[byte; 32]).unwrap()
}

fn record() -> Record {
    Record {
        handle: handle(),
        namespace: "shop".into(),
        version: 3,
        revision: 5,
        created: 1_700_000_000_000,
        updated: 1_700_000_001_000,
        accessed: 1_700_000_002_345,
        idle_timeout: 60_000,
        ends_at: Some(1_800_000_000_000),
        credentials: smallvec![
            Credential::new(hash(1), true),
            Credential { hash: hash(2), chosen: false, retires_at: Some(9), wrapped: None },
        ],
        tickets: vec![Ticket { hash: hash(3), audience: "https://shop.example".into(), expires_at: 10, wrapped: None }],
        principal: "ada".into(),
        labels: BTreeMap::from([("device".into(), "laptop".into())]),
        attributes: ENTRIES.iter().map(|entry| Attribute::from_wire(entry).unwrap()).collect(),
        sealed: None,
        sweep_at: 1_700_000_060_000,
    }
}

fn sealed_record() -> Record {
    let mut record = Record { attributes: Attributes::default(), sealed: Some([7; 60][..].into()), ..record() };
    record.credentials[0].wrapped = Some([8; WRAPPED_BYTES].into());
    record
}

/// The contents of stored rows of a sealed session: its record, an event.
fn sealed_contents() -> [Vec<u8>; 2] {
    let mut record = sealed_record();
    record.tickets[0].wrapped = Some([9; WRAPPED_BYTES].into());
    let event = Event { sequence: 8, transaction: 6, ..Event::new(EventKind::Revoked, 5, &record, false) };
    [encode_record(&record), encode_event(&event)].map(|row| row[ROW_HEADER..].to_vec())
}

/// The contents of stored rows: a record, a bare record, an event.
fn contents() -> [Vec<u8>; 3] {
    let bare = Record {
        credentials: smallvec![],
        tickets: Vec::new(),
        attributes: Attributes::default(),
        labels: BTreeMap::new(),
        principal: "".into(),
        ..record()
    };
    let event = Event { sequence: 7, transaction: 6, ..Event::new(EventKind::Revoked, 5, &record(), true) };
    [encode_record(&record()), encode_record(&bare), encode_event(&event)].map(|row| row[ROW_HEADER..].to_vec())
}

fn rows() -> Seeds {
    let [record, bare, event] = contents();
    let sealed = encode_record(&sealed_record())[ROW_HEADER..].to_vec();
    let [with_ticket, sealed_event] = sealed_contents();
    let leaf = b"\x00\x05key-1\x03one\x04\x012\x03two\x05\x03-34\x00";
    let block = lz4_flex::block::compress_prepend_size(b"\x01\x05event\x02\x05event\x40\x00");
    let gap = join(&[b"gap-after-", &7_u64.to_be_bytes(), &9_u64.to_be_bytes()]);
    let member = join(&[b"shop\0", &handle().to_bytes()]);
    let whole = [&[128][..], &encode_record(&self::record())].concat();
    let with = |kind: u8, content: &[u8]| [&[kind], content].concat();
    seeds(
        "rows",
        [
            with(0, &record),
            with(0, &bare),
            with(1, &event),
            with(2, &[[0; 7], [9; 7]].concat()),
            with(2, &[3_u64, 2].map(u64::to_be_bytes).concat()),
            with(3, leaf),
            with(4, &block),
            with(5, &handle().to_bytes()),
            with(5, &8_u64.to_be_bytes()),
            with(6, &join(&[&[99, 3], &record])),
            with(7, &gap),
            with(7, &member),
            with(7, &join(&[&5_u64.to_be_bytes(), &handle().to_bytes()])),
            whole,
            with(8, &sealed),
            with(8, &with_ticket),
            with(1, &sealed_event),
            with(9, &join(&[&[99, 4], &with_ticket])),
        ],
    )
}

fn redo() -> Seeds {
    let entry = |rows: &[u8]| [&[1][..], &piece(rows)].concat();
    let put = entry(b"\x00\x03key\x05value\x04\x02k2\x00");
    let remove = entry(b"\x80\x03key");
    let end = entry(b"");
    let junk = [&[0][..], &piece(b"torn")].concat();
    let log = |synced: &[u8; 3], first: &[u8], second: &[u8]| join(&[synced, &piece(first), second]);
    seeds(
        "redo",
        [
            log(&[0, 0, 0], &[&put[..], &end].concat(), &[&remove[..], &put].concat()),
            log(&[1, 0, 40], &[&put[..], &junk, &put].concat(), &[]),
            log(&[2, 0, 30], &[&put[..], &end].concat(), &[&junk[..], &remove].concat()),
        ],
    )
}

/// A log of sled with the page that lists the trees, the counter, and a table of two pages.
fn pages() -> Seeds {
    let string = |text: &[u8]| [&[u8::try_from(text.len()).unwrap()], text].concat();
    let roots = join(&[&string(b"sessions"), &[2], &string(b"due"), &[5]]);
    let node = |next: u8, low: &[u8], high: &[u8], content: &[u8]| {
        join(&[&[next, 0, 0, 0], &string(low), &string(high), content])
    };
    let pointers = node(0, b"", b"", &join(&[&[1, 2], &string(b""), &string(b"m"), &[3, 4]]));
    let low = node(4, b"", b"m", &join(&[&[0, 2], &string(b"a"), &string(b"b"), &string(b"one"), &string(b"two")]));
    let high = node(0, b"m", b"", &join(&[&[0, 1], &string(b"x"), &string(b"three")]));
    let leaf = node(0, b"", b"", &join(&[&[0, 1], &string(b"a"), &string(&leaf_row())]));
    let link = join(&[&[0], &string(b"c"), &string(b"four")]);
    let message = |kind: u8, page: u8, payload: &[u8]| join(&[&[kind, page], &string(payload)]);
    let messages = [
        message(8, 0, &roots),
        message(9, 1, b"\x01"),
        message(8, 2, &pointers),
        message(8, 3, &low),
        message(8, 4, &high),
        message(10, 3, &link),
        message(8, 5, &leaf),
    ];
    let count = u8::try_from(messages.len()).unwrap();
    let segment = join(&[&[0, 0, count], &messages.concat()]);
    let second = join(&[&[1, 0, 1], &message(10, 3, &link)]);
    let no_snapshot = [0, 0, 0];
    let snapshot = join(&[&21_u64.to_le_bytes(), &[1], &[1], &20_u64.to_le_bytes(), &[0, 20, 9]]);
    let numbers = [255, 0, 0, 0, 0, 0, 0, 2, 0, 255, 0, 0, 0, 0, 0, 0, 4, 0];
    seeds(
        "pages",
        [
            join(&[&no_snapshot, &segment, &second]),
            join(&[&[2], &piece(&snapshot), &segment]),
            join(&[&[2 | 4], &piece(&snapshot), &numbers, &segment, &second]),
        ],
    )
}

/// A row of sled that holds many small ones.
fn leaf_row() -> Vec<u8> {
    let content = b"\x00\x01a\x00\x01\x01b\x00";
    [&[4], &crc32fast::hash(content).to_be_bytes()[..], content].concat()
}

fn backup() -> Seeds {
    let golden = [&[0][..], include_bytes!("../../tests/golden/backup-v1")].concat();
    let [record, bare, event] = contents();
    let handle = handle().to_bytes();
    let made = join(&[
        &[1, 0],
        &piece(&record),
        &piece(&[1; 32]),
        &[0],
        &piece(&bare),
        &piece(&[]),
        &[2, 7],
        &piece(&event),
        &[4, 1],
        &handle,
        // The moment, sessions, events, dropped events, the last event.
        &[6],
        &piece(b"\x08\x64\x18\x01\x20\x01\x28\x06\x30\x07"),
    ]);
    let small = join(&[&[1, 0], &piece(&bare), &piece(&[]), &[6], &piece(b"\x08\x64\x18\x01")]);
    let encrypted = [&[3], &made[1..]].concat();
    let [record, event] = sealed_contents();
    let with_sealed = |how: u8| {
        join(&[
            &[how, 133],
            &piece(&record),
            &piece(&[1; 32]),
            &[2, 7],
            &piece(&event),
            &[6],
            &piece(b"\x08\x64\x18\x01\x20\x01\x28\x06\x30\x07"),
        ])
    };
    let (sealed, sealed_encrypted) = (with_sealed(5), with_sealed(7));
    let made = [made, small, encrypted, sealed, sealed_encrypted];
    [seeds("backup", [golden]), seeds("backup", made.clone()), seeds("restore", made)].concat()
}

fn clock() -> Seeds {
    let copy = |time: u64| {
        let (through, nanos) = (time + 15_000, time * 1_000_000);
        format!("sessiond-clock-1 through {through} time {nanos} elapsed 500 wall {nanos} boot this")
    };
    let mut watermark = vec![2];
    watermark.extend([7_u64, 8, 9, 5, 6].iter().flat_map(|number| number.to_be_bytes()));
    let old = [&[1][..], &watermark[1..25]].concat();
    let sealed = [4, 5].map(|format| join(&[&[3, format], &watermark[1..]]));
    seeds(
        "clock",
        [
            join(&[&[1, 0], &piece(copy(1_700_000_000_000).as_bytes()), copy(1_700_000_005_000).as_bytes()]),
            join(&[&[3, 0], &piece(copy(1_600_000_000_000).as_bytes()), b"torn"]),
            join(&[&[3], &watermark]),
            join(&[&[1], &old]),
        ]
        .into_iter()
        .chain(sealed),
    )
}

fn encryption() -> Seeds {
    let key = "0123456789abcdef".repeat(4);
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let state = b"sessiond encryption 1\nkey 4f9a12cd\nkey 00000001\nplain\nprincipals 0a1b2c\n";
    let files = [format!("# keys\n{key}\n\n{other}\n"), format!("plain\n{other}"), format!("4f9a12cd {key}")];
    let files = files.map(|file| [&[0], file.as_bytes()].concat());
    let ciphertext = join(&[&[3, 0], &piece(b"key"), &piece(b"row"), b"\x00\x01"]);
    seeds("encryption", files.into_iter().chain([join(&[&[2], state]), ciphertext]))
}

fn json() -> Seeds {
    let texts = [
        r#"{"a":[1,-2.5e3,true,null,"text"],"b":{"c":{}}}"#,
        r#"{"$bytes":"AAEC","t":{"$timestamp":"2026-01-31T12:00:00Z"}}"#,
        r#"["\u00e9\ud83d\ude00", "1e999", "a\"12345678901234567890"]"#,
        r#"{"$opaque":{"encoding":"go-gob","data":"AAEC"}}"#,
        "9223372036854775807",
        "1e-999",
        "dark",
    ];
    seeds("json", texts.map(|text| text.as_bytes().to_vec()))
}

fn values() -> Seeds {
    let change: Vec<u8> = ENTRIES.iter().flat_map(|entry| [&[1][..], &piece(entry)].concat()).collect();
    let entries = ENTRIES.iter().map(|entry| [&[0], *entry].concat());
    let attributes: Attributes = ENTRIES.iter().map(|entry| Attribute::from_wire(entry).unwrap()).collect();
    seeds("values", entries.chain([join(&[&[1, 0], &piece(b"n"), &change]), join(&[&[2], attributes.fields()])]))
}

fn secrets() -> Seeds {
    let minted = "AZt22qgAcACAAAAAAAAAAQABAgMEBQYHCAkKCwwNDg8QERITFBUWFw";
    let resume = ResumeToken { sequence: 1_041 }.to_string();
    let texts = [
        minted,
        "a-session-id-of-a-framework",
        &resume,
        &handle().to_string(),
        &crate::service::fuzzing::a_page_token(handle()),
    ];
    let texts = texts.map(|text| [&[0], text.as_bytes()].concat());
    let forged = [
        &b"\x01\x00"[..],
        b"\x01\x01",
        b"\x01\x00\x01\x55A",
        b"\x01\x01\x00\x35\x00",
        b"\x01\x00\x03\xff=",
        b"\x01\x02",
        b"\x01\x03",
    ];
    seeds("secrets", texts.into_iter().chain(forged.map(<[u8]>::to_vec)))
}

fn settings() -> Seeds {
    let shown = ServeArgs::default().load_with([]).unwrap().to_toml();
    let values: Vec<&str> = shown.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let file = |text: &str| [&[0], text.as_bytes()].concat();
    let namespaces = "idle-timeout = \"24h\"\n[namespaces.shop]\nidle-timeout = \"30m\"\n[namespaces.\"eu.shop\"]\nmax-sessions-per-principal = 5\n";
    let listen = "listen = [\"tls://[::1]:50051\", \"unix:/run/s\"]\ntls-certificate = \"c.pem\"\ntls-key = \"k.pem\"\ntls-client-ca = \"ca.pem\"\n";
    seeds(
        "settings",
        [
            file(&values.join("\n")),
            file(namespaces),
            file(listen),
            b"\x01\x03\x0430mb".to_vec(),
            b"\x01\x14\x05none\n".to_vec(),
        ],
    )
}

fn access() -> Seeds {
    let rules = "[caller.shop]\ncertificates = [\"shop.internal\"]\nmax-calls-per-second = 9\n\
                 allow = [{ namespaces = [\"shop\"], may = [\"application\"] }]\n\
                 [caller.local]\nusers = [0, \"root\"]\ngroups = [4712]\n\
                 allow = [{ namespaces = [\"*\"], may = [\"operator\", \"watch\"] }]\n\
                 [caller.rest]\nanyone = true\nallow = [{ namespaces = [\"a\"], may = [\"sessions\"] }]\n";
    let hash = "07".repeat(32);
    let tokens = format!(
        "# id caller made expires sha256\nabcdefgh shop 1970-01-01T00:00:00Z - {hash}\n\
         hgfedcba shop 2026-01-31T12:00:00.5Z 2030-01-01T00:00:00Z {hash}\n"
    );
    let header = "Bearer sdt_abcdefgh_abcdefghijkmnpqrstuvwxyz23456789abcdefg";
    let kinds = [(0, rules), (1, &tokens), (2, header)];
    seeds("access", kinds.map(|(kind, text)| [&[kind], text.as_bytes()].concat()))
}

fn change() -> proto::SessionChange {
    proto::SessionChange {
        set_attributes: vec![Bytes::from_static(ENTRIES[2])],
        remove_attributes: vec!["n".into()],
        principal: Some("bob".into()),
        ..proto::SessionChange::default()
    }
}

fn calls() -> Seeds {
    let id = || "0123456789abcdef".to_owned();
    let create = CreateSessionRequest {
        session_id: id(),
        attributes: ENTRIES.iter().map(|entry| Bytes::from_static(entry)).collect(),
        labels: [("device".into(), "laptop".into())].into(),
        ..CreateSessionRequest::default()
    };
    let update = UpdateSessionRequest { session_id: id(), change: Some(change()), ..UpdateSessionRequest::default() };
    let rotate = proto::RotateSessionRequest {
        session_id: id(),
        new_session_id: "fedcba9876543210".into(),
        ..Default::default()
    };
    let delete = proto::DeleteSessionRequest {
        target: Some(proto::delete_session_request::Target::SessionId("fedcba9876543210".into())),
        ..Default::default()
    };
    let methods = [
        Method::Create(Box::new(create)),
        Method::Get(GetSessionRequest { session_id: id(), ..GetSessionRequest::default() }),
        Method::Update(Box::new(update)),
        Method::Touch(proto::TouchSessionRequest { session_id: id(), ..Default::default() }),
        Method::Rotate(Box::new(rotate)),
        Method::Delete(delete),
    ];
    let call = |(tag, method)| Call { tag, timeout: None, method: Some(method), trace_context: None };
    let sealed = methods.clone().map(in_sealed);
    let with = |methods: [Method; 6]| ExchangeRequest { calls: (1..).zip(methods).map(call).collect() }.encode_to_vec();
    let (message, sealed) = (with(methods), with(sealed));
    let body = [&[1, 0, 0][..], &piece(&message)].concat();
    let messages = [message, sealed].map(|message| [&[0][..], &piece(&message)].concat());
    seeds("calls", messages.into_iter().chain([[&[1, 0, 0], &body[1..]].concat()]))
}

/// The same call in the namespace whose sessions are sealed.
fn in_sealed(mut method: Method) -> Method {
    let namespace = match &mut method {
        Method::Create(request) => &mut request.namespace,
        Method::Get(request) => &mut request.namespace,
        Method::Update(request) => &mut request.namespace,
        Method::Touch(request) => &mut request.namespace,
        Method::Rotate(request) => &mut request.namespace,
        Method::Delete(request) => &mut request.namespace,
    };
    "sealed".clone_into(namespace);
    method
}

fn messages() -> Seeds {
    let id = || "a-session-that-is-there".to_owned();
    let text = |field: u8, text: &str| [&[field << 3 | 2, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let handles = text(6, &handle().to_string());
    let requests = [
        (0, CreateSessionRequest { principal: "ada".into(), ..Default::default() }.encode_to_vec()),
        (1, GetSessionRequest { session_id: id(), ..Default::default() }.encode_to_vec()),
        (
            2,
            UpdateSessionRequest { session_id: id(), change: Some(change()), upsert: true, ..Default::default() }
                .encode_to_vec(),
        ),
        (3, proto::TouchSessionRequest { session_id: id(), ..Default::default() }.encode_to_vec()),
        (
            4,
            proto::RotateSessionRequest { session_id: id(), change: Some(change()), ..Default::default() }
                .encode_to_vec(),
        ),
        (5, proto::DeleteSessionRequest::default().encode_to_vec()),
        (
            6,
            proto::BatchGetSessionsRequest { session_ids: vec![id(), "x".into()], ..Default::default() }
                .encode_to_vec(),
        ),
        (7, proto::BatchDeleteSessionsRequest { session_ids: vec![id()], ..Default::default() }.encode_to_vec()),
        (
            8,
            proto::ListSessionsRequest { principal: "ada".into(), page_size: 9, view: 2, ..Default::default() }
                .encode_to_vec(),
        ),
        (8, handles),
        (9, proto::CountSessionsRequest { principal: "ada".into(), ..Default::default() }.encode_to_vec()),
        (10, b"\x12\x05\x0a\x03ada".to_vec()),
        (11, proto::LockSessionRequest { session_id: id(), ..Default::default() }.encode_to_vec()),
        (12, proto::UnlockSessionRequest { session_id: id(), ..Default::default() }.encode_to_vec()),
        (
            13,
            proto::IssueHandoffRequest { session_id: id(), audience: "a".into(), ..Default::default() }.encode_to_vec(),
        ),
        (14, proto::RedeemHandoffRequest { audience: "a".into(), ..Default::default() }.encode_to_vec()),
        (
            15,
            proto::VerifyCsrfTokenRequest { session_id: id(), token: "AA".into(), ..Default::default() }
                .encode_to_vec(),
        ),
        (16, proto::WatchSessionsRequest { kinds: vec![1, 6], ..Default::default() }.encode_to_vec()),
        (17, proto::IssueCsrfTokenRequest { session_id: id(), ..Default::default() }.encode_to_vec()),
    ];
    // Fields may come in any order, so what asks for the sealed namespace stands behind.
    let in_sealed = [1, 2, 4, 6, 8, 13, 15, 16, 17].map(|method: u8| {
        let (_, request) = requests.iter().find(|(other, _)| *other == method).expect("a request");
        [&[method], &request[..], &text(1, "sealed")].concat()
    });
    seeds("messages", requests.map(|(method, request)| [&[method], &request[..]].concat()).into_iter().chain(in_sealed))
}
