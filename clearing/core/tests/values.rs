//! Values at the borders: numbers, texts, times and ids are read in one way, and what is refused is refused everywhere.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::chart::{Fund, MoneyAccount};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{MemberReply, Reply, Reversed};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::lot::LotId;
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::receipt::Receipt;
use clearing_core::facts::terms::{ExpiryPolicy, Funding, Price, SPAN_MAX, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::rules::care::{ReinstatePoints, WriteOffDebt};
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::partner::CreatePartner;
use clearing_core::rules::purchase::{PostPurchase, Spend};
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::rules::reversal::ReverseIssue;
use clearing_core::rules::terms::SetTerms;
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::{
    Currency, EntryId, Malformed, MemberId, Money, PartnerId, Points, Rate, RequestId, Timestamp, check_id, check_text,
    number, whole,
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rust_decimal::Decimal;

use house::{brands, id, member_ref};

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Texts that look like numbers, and that one program or another takes for one.
const NO_NUMBERS: [&str; 34] = [
    "",
    "-",
    "+1",
    "--1",
    "1_000",
    "1 000",
    "1,000",
    "1,5",
    "1e3",
    "1E3",
    "0x10",
    ".5",
    "5.",
    "-.5",
    "-5.",
    ".",
    "1.2.3",
    "01",
    "00",
    "00.5",
    "-01",
    "-0",
    "-0.00",
    " 1",
    "1 ",
    "1\n",
    "NaN",
    "inf",
    "\u{661}",
    "\u{ff11}",
    "\u{2212}1",
    "12345678901234567890",
    "0.1234567890",
    "1.0000000000",
];

#[test]
fn what_is_no_number_is_refused_wherever_a_number_is_read() {
    for text in NO_NUMBERS {
        assert!(number(text).is_err(), "{text:?}");
        assert!(whole(text).is_err(), "{text:?}");
        assert!(text.parse::<Rate>().is_err(), "{text:?}");
        assert!(text.parse::<Price>().is_err(), "{text:?}");
        assert!(Money::read(text, 6).is_err(), "{text:?}");
    }
}

#[test]
fn a_number_that_is_refused_is_told_what_is_wrong_with_it() {
    for (text, problem) in [
        ("+1", "\"+1\" is not a number such as -58.80: an optional -, digits"),
        ("007", "a zero in front is not allowed"),
        ("-0.0", "zero has no sign"),
        ("12345678901234567890", "20 digits, and 19 are the most"),
        ("0.1234567890", "10 decimals, and 9 are the most"),
    ] {
        let Malformed(said) = number(text).unwrap_err();
        assert!(said.contains(problem), "{said}");
    }
    let Malformed(long) = number(&"9".repeat(60_000)).unwrap_err();
    assert!(long.len() < 300, "a message does not repeat a text of any length: {long}");
    assert_eq!(Money::read("1.005", 2), Err(Malformed("1.005 has 3 decimals, and the coalition's money has 2".into())));
    assert_eq!(Money::read("1.000", 2), Err(Malformed("1.000 has 3 decimals, and the coalition's money has 2".into())));
    assert!(Money::read("9223372036854775807", 2).is_err());
    assert_eq!(Money::read("12.5", 2), Ok(Money(1250)));
    assert_eq!(whole("9223372036854775807"), Ok(i64::MAX));
    assert!(whole("9223372036854775808").is_err());
    assert!(whole("1.0").is_err());
}

#[test]
fn a_price_keeps_the_decimals_it_is_written_with() {
    let mut play = brands(Funding::AtIssue);
    for (text, scale) in [("1.000", 2), ("0.009", 2)] {
        let terms = TermsDraft { price: Some(text.parse::<Price>().unwrap()), ..TermsDraft::default() };
        let refused = play.operator(create("X1", terms)).unwrap_err();
        let exact = Rejection::PriceNotExact { field: "price".to_owned(), price: text.to_owned(), scale };
        assert_eq!(refused, exact);
    }
}

#[test]
fn codes_are_texts_that_look_the_same_to_everybody() {
    for good in [
        "7",
        "store-7",
        "Kassa 3",
        "Магазин №5",
        "Zürich",
        "店1",
        "a/b:c#d",
        "=1+1",
        "'; DROP TABLE receipts; --",
        "a,b;c",
        "{\"a\"}",
        "\u{1f6d2}",
    ] {
        assert_eq!(Code::new(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        " ",
        " 7",
        "7 ",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{2028}b",
        "a\tb",
        "a\nb",
        "a\0b",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{200b}b",
        "a\u{202e}b",
        "\u{feff}a",
        "a\u{e000}b",
        "a\u{378}b",
        "Zu\u{308}rich",
        "\u{212b}",
    ] {
        assert!(Code::new(bad).is_err(), "{bad:?}");
        assert!(Code::receipt(bad).is_err(), "{bad:?}");
    }
    // The length is counted in characters, whatever bytes they take.
    assert!(Code::new(&"ж".repeat(64)).is_ok());
    assert!(Code::new(&"ж".repeat(65)).is_err());
    assert!(Code::receipt(&"ж".repeat(128)).is_ok());
    let Malformed(long) = Code::receipt(&"ж".repeat(129)).unwrap_err();
    assert!(long.contains("it has 129 characters, and 1 to 128 are allowed"), "{long}");
    let Malformed(hidden) = check_text("secret\u{200b}card", 64).unwrap_err();
    assert!(hidden.contains("character 7 is U+200B") && !hidden.contains("secret"), "{hidden}");
    let Malformed(composed) = check_text("Zu\u{308}rich", 64).unwrap_err();
    assert_eq!(composed, "from character 2 on it is not in the composed form of Unicode (NFC)");
    // Reasons and periods stay in the journal for ever; they are words, not text.
    assert!(Code::word("GOODWILL_2026-02").is_ok());
    assert!(Code::word("good will").is_err());
}

#[test]
fn the_houses_own_names_are_no_partners_in_any_case_of_letters() {
    assert_eq!(id("operator"), PartnerId::operator());
    for name in
        ["hub", "funds", "bank", "pool", "reserve", "unfunded", "unknown", "house", "auditor", "sandbox", "operator"]
    {
        let (upper, mut title) = (name.to_ascii_uppercase(), name.to_owned());
        title[..1].make_ascii_uppercase();
        for spelling in [upper.as_str(), &title] {
            assert!(spelling.parse::<PartnerId>().is_err(), "{spelling}");
        }
        assert!(check_id(name).is_err(), "{name} is nobody's name");
        assert_eq!(name.parse::<PartnerId>().is_ok(), name == "operator", "{name}");
        let stored = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        assert_eq!(borsh::from_slice::<PartnerId>(&stored).is_ok(), name == "operator", "{name}, stored");
    }
    let mut play = brands(Funding::AtIssue);
    let refused = play.operator(create("operator", TermsDraft::default())).unwrap_err();
    assert!(matches!(refused, Rejection::InvalidArgument { field, .. } if field == "partner_id"));
}

#[test]
fn ids_that_a_spreadsheet_would_change_are_refused() {
    for bad in [
        "1",
        "42",
        "007",
        "1e5",
        "12-3",
        "3-4",
        "1-2",
        "-1",
        "-a",
        "_a",
        "MAR1",
        "mar-1",
        "jan-2",
        "Dec2026",
        "SEPT1",
        "sep-1-2026",
        "may5",
        "March-7",
        "july--4",
        "TRUE",
        "false",
        "True",
        "=A1",
        "+1",
        "@a",
        "a.b",
        "a b",
        "",
    ] {
        assert!(bad.parse::<PartnerId>().is_err(), "{bad:?}");
    }
    for good in [
        "A", "X", "B2", "E5", "brand-01", "may", "March", "mars", "marble1", "mar_1", "mar-a", "truest", "true1", "a-1",
    ] {
        assert_eq!(good.parse::<PartnerId>().unwrap().as_str(), good);
    }
    assert!("x".repeat(31).parse::<PartnerId>().is_ok());
    assert!("x".repeat(32).parse::<PartnerId>().is_err());
}

#[test]
fn a_time_that_somebody_names_lies_between_1970_and_9999() {
    assert_eq!(moment("1970-01-01T00:00:00Z"), Timestamp::FIRST);
    assert_eq!(moment("9999-12-30T22:00:00Z"), Timestamp::LAST);
    for beyond in
        ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-30T22:00:00.000001Z", "+010000-01-01T00:00:00Z"]
    {
        assert!(beyond.parse::<Timestamp>().is_err(), "{beyond}");
    }
    for time in ["2026-02-01T00:00:00.5Z", "2026-02-01T03:00:00+03:00", "2026-02-01T00:00:00.000001-00:00"] {
        assert!(time.parse::<Timestamp>().is_ok(), "{time}");
    }
    for no_time in [
        "2026-02-01",
        "2026-02-01T00:00Z",
        "2026-02-01T00:00:00",
        "2026-02-01 00:00:00Z",
        "2026-02-01t00:00:00z",
        "20260201T000000Z",
        "2026-02-01T00:00:00,5Z",
        "2026-02-01T00:00:00.Z",
        "2026-02-01T00:00:00.1234567Z",
        "2026-02-01T00:00:00+03",
        "2026-02-01T00:00:00+0300",
        "2026-02-01T00:00:00+03:00[Europe/Moscow]",
        "2026-02-01T24:00:00Z",
        "2026-02-01T23:59:60Z",
        "2026-02-30T00:00:00Z",
        " 2026-02-01T00:00:00Z",
        "２026-02-01T00:00:00Z",
    ] {
        assert!(no_time.parse::<Timestamp>().is_err(), "{no_time}");
    }
    for no_date in ["1969-12-31", "0000-01-01", "2026-2-1", "20260201", "2026-02-30", "2026-02-01 ", "+2026-2-01"] {
        assert!(no_date.parse::<BusinessDate>().is_err(), "{no_date}");
    }
    assert!("1970-01-01".parse::<BusinessDate>().is_ok());
    assert!("9999-12-31".parse::<BusinessDate>().is_ok());
}

#[test]
fn one_entry_has_one_id() {
    let uuid = "0193a7c2-5d0e-7c3a-9f00-0123456789ab";
    assert!(format!("{uuid}.0").parse::<EntryId>().is_ok());
    for other in ["00", "01", "+1", "-0", ""] {
        assert!(format!("{uuid}.{other}").parse::<EntryId>().is_err(), "{other}");
    }
}

#[test]
fn what_the_house_names_by_numbers_has_one_name() {
    let uuid = "0193a7c2-5d0e-7c3a-9f00-0123456789ab";
    assert!(format!("{uuid}.7.0").parse::<LotId>().is_ok());
    assert!("settle:7:A".parse::<MoneyAccount>().is_ok());
    for other in ["07", "+7", "-7", "7_0", "", " 7"] {
        assert!(format!("{uuid}.{other}.0").parse::<LotId>().is_err(), "{other}");
        assert!(format!("{uuid}.7.{other}").parse::<LotId>().is_err(), "{other}");
        assert!(format!("settle:{other}:A").parse::<MoneyAccount>().is_err(), "{other}");
    }
}

#[test]
fn a_currency_is_one_of_iso_4217_that_has_a_minor_unit() {
    let digits = |code: &str| code.parse::<Currency>().map(|currency| currency.minor_digits());
    for (code, minor) in
        [("RUB", 2), ("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4), ("ISK", 0), ("IQD", 3)]
    {
        assert_eq!(digits(code), Ok(minor), "{code}");
    }
    for code in ["", "rub", "RU", "RUBL", "QQQ", "XXX", "XTS", "XAU", "ＲＵＢ", "РУБ"] {
        assert!(digits(code).is_err(), "{code}");
    }
}

#[test]
fn a_code_of_a_till_is_taken_as_it_is_printed() {
    for code in ["ЦБ00-000417", "Чек 12", "№ 5", "12/7", "Ж"] {
        assert_eq!(Code::receipt(code).unwrap().as_str(), code);
    }
}

fn create(partner: &str, terms: TermsDraft) -> Command {
    Command::CreatePartner(CreatePartner {
        partner: id(partner),
        display_name: String::new(),
        terms,
        state: PartnerState::Active,
        limits: Limits::default(),
        no_default_limits: false,
    })
}

fn request(command: Command) -> Request {
    Request {
        caller: id("A"),
        request_id: Some(RequestId(0x019c_1e0a_5d0e_7c3a_9f00_0123_4567_89ab)),
        origin: clearing_core::facts::origin::Origin::default(),
        command,
        fresh_member: MemberId(7),
        fresh_salt: [7; 16],
        person: None,
        attachment: None,
        badge: None,
    }
}

fn refused_field(command: Command) -> Option<(String, String)> {
    match request(command).validate() {
        Err(Rejection::InvalidArgument { field, problem }) => Some((field, problem)),
        Err(other) => panic!("{other}"),
        Ok(()) => None,
    }
}

#[test]
fn an_operation_names_at_most_a_million_million_points() {
    let member = member_ref("m");
    let word = || Code::word("R").unwrap();
    let entry = EntryId { batch: clearing_core::units::BatchId(1), ordinal: 0 };
    let lapses = moment("2026-02-02T00:00:00Z");
    let all = |points: Points| {
        vec![
            ("points", Command::IssuePoints(IssuePoints { member, earn: Earn::points(points) })),
            ("points", Command::RedeemPoints(RedeemPoints { member, points })),
            ("points", Command::AuthorizeRedemption(AuthorizeRedemption { member, points, lapses })),
            ("points", Command::CaptureHold(CaptureHold { hold: entry, points })),
            ("points", Command::ReturnRedemption(ReturnRedemption { redemption: entry, points })),
            (
                "points",
                Command::TransferPoints(TransferPoints { member, to: member_ref("n"), points, enrol_receiver: false }),
            ),
            (
                "points",
                Command::ReverseIssue(ReverseIssue {
                    target: clearing_core::rules::reversal::ReversalTarget::Entry(entry),
                    points,
                    refuse_shortfall: false,
                }),
            ),
            (
                "points",
                Command::ReinstatePoints(ReinstatePoints {
                    member,
                    funder: id("A"),
                    points,
                    expires: None,
                    reason: word(),
                }),
            ),
            ("points", Command::WriteOffDebt(WriteOffDebt { member, creditor: id("A"), points, reason: word() })),
            (
                "spend.redeem_points",
                Command::PostPurchase(PostPurchase { member, spend: Some(Spend::Redeem(points)), earn: None }),
            ),
            (
                "spend.capture.points",
                Command::PostPurchase(PostPurchase {
                    member,
                    spend: Some(Spend::Capture { hold: entry, points }),
                    earn: None,
                }),
            ),
            (
                "earn.points",
                Command::PostPurchase(PostPurchase { member, spend: None, earn: Some(Earn::points(points)) }),
            ),
        ]
    };
    for (_, command) in all(Points::OPERATION_MAX) {
        assert_eq!(refused_field(command), None);
    }
    for points in [1_000_000_000_001, i64::MAX] {
        for (field, command) in all(Points(points)) {
            let problem = format!("{points} is above 1000000000000, the most points of one operation");
            assert_eq!(refused_field(command), Some((field.to_owned(), problem)));
        }
    }
    for points in [0, -1, i64::MIN] {
        for (field, command) in all(Points(points)) {
            assert_eq!(refused_field(command), Some((field.to_owned(), format!("{points} is not above zero"))));
        }
    }
}

#[test]
fn terms_whose_dates_can_leave_the_calendar_are_refused() {
    for (expiry, fits) in [
        (ExpiryPolicy::EndOfYear(7798), true),
        (ExpiryPolicy::EndOfYear(7799), false),
        (ExpiryPolicy::EndOfYear(SPAN_MAX), false),
        (ExpiryPolicy::EndOfYear(u16::MAX), false),
        (ExpiryPolicy::EndOfMonth(SPAN_MAX), true),
        (ExpiryPolicy::Months(SPAN_MAX), true),
        (ExpiryPolicy::Months(SPAN_MAX + 1), false),
        (ExpiryPolicy::Days(SPAN_MAX), true),
        (ExpiryPolicy::Days(u16::MAX), false),
        (ExpiryPolicy::InactiveDays(0), false),
        (ExpiryPolicy::InactiveDays(1), true),
        (ExpiryPolicy::Fixed(Timestamp::LAST), true),
        (ExpiryPolicy::Fixed(Timestamp(Timestamp::LAST.0 + 1)), false),
        (ExpiryPolicy::Fixed(Timestamp(-1)), false),
        (ExpiryPolicy::Fixed(Timestamp::NEVER), false),
        (ExpiryPolicy::None, true),
    ] {
        let terms = || TermsDraft { expiry: Some(expiry), ..TermsDraft::default() };
        let refused = refused_field(create("X1", terms())).map(|(field, _)| field);
        assert_eq!(refused.is_none(), fits, "{expiry:?}");
        let change = Command::SetTerms(SetTerms { partner: id("A"), terms: terms(), effective: None });
        assert_eq!(refused_field(change).map(|(field, _)| field), refused);
        assert!(refused.is_none_or(|field| field == "terms.expiry"));
    }
}

/// Zones at the ends of what there is, with skipped days and hours.
const ZONES: [&str; 5] = ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Apia", "America/Sao_Paulo"];

fn policies() -> impl Strategy<Value = ExpiryPolicy> {
    let span = || prop_oneof![Just(0), Just(1), Just(7798), Just(7799), Just(SPAN_MAX), Just(u16::MAX), any::<u16>()];
    prop_oneof![
        Just(ExpiryPolicy::None),
        any::<i64>().prop_map(|at| ExpiryPolicy::Fixed(Timestamp(at))),
        (0..=Timestamp::LAST.0).prop_map(|at| ExpiryPolicy::Fixed(Timestamp(at))),
        span().prop_map(ExpiryPolicy::Days),
        span().prop_map(ExpiryPolicy::Months),
        span().prop_map(ExpiryPolicy::EndOfMonth),
        span().prop_map(ExpiryPolicy::EndOfYear),
        span().prop_map(ExpiryPolicy::InactiveDays),
    ]
}

fn moments() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::FIRST),
        Just(Timestamp::LAST),
        Just(Timestamp(Timestamp::LAST.0 - 1)),
        (0..=Timestamp::LAST.0).prop_map(Timestamp),
    ]
}

fn member_replies() -> impl Strategy<Value = MemberReply> {
    let points = || prop_oneof![Just(0), 0..300_i64, any::<i64>()].prop_map(Points);
    let reversed = prop::option::of((points(), points(), points()));
    let next_expiry = prop::option::of((any::<i64>().prop_map(Timestamp), points()));
    let figures = (points(), points(), points(), points(), points());
    (any::<u128>(), figures, reversed, next_expiry).prop_map(|(member, figures, reversed, next_expiry)| {
        let (available, held, pending, owed, returnable) = figures;
        let reversed = reversed.map(|(taken_back, written_off, debt)| Reversed { taken_back, written_off, debt });
        MemberReply { member: MemberId(member), available, held, pending, owed, returnable, reversed, next_expiry }
    })
}

/// The expiry is eight bytes, points are one or two each.
#[test]
fn what_is_kept_of_the_answer_to_an_ordinary_issue_is_at_most_20_bytes() {
    let next_expiry = Some((moment("2027-03-01T00:00:00+01:00"), Points(1_250)));
    let reply = MemberReply {
        member: MemberId(7),
        available: Points(5_000),
        held: Points(300),
        pending: Points::ZERO,
        owed: Points::ZERO,
        returnable: Points::ZERO,
        reversed: None,
        next_expiry,
    };
    let kept = Reply::Member(reply).kept(Some(MemberId(7)));
    assert!(kept.len() <= 20, "{kept:?}");
}

/// The parts of a receipt are not mistaken for each other.
#[test]
fn receipts_have_other_keys_where_any_part_of_them_differs_and_lie_by_day_till_and_number() {
    let receipt = |partner: &str, store: &str, till: &str, date: &str, number: &str| {
        let code = |text: &str| Some(text).filter(|text| !text.is_empty()).map(|text| Code::new(text).unwrap());
        let (store, till, number) = (code(store), code(till), Code::receipt(number).unwrap());
        Receipt { partner: id(partner), store, till, date: date.parse().unwrap(), number }.key()
    };
    let days = ["1970-01-01", "2026-02-28", "2026-03-01", "2149-06-06"];
    let keys = days.map(|date| receipt("A", "s", "t", date, "1"));
    assert!(keys.is_sorted_by(|one, other| one < other), "{keys:?}");
    // A day later the two bytes begin anew.
    assert_eq!(receipt("A", "s", "t", "2149-06-07", "1"), keys[0]);
    // A till prints one after the other, and so they lie.
    let mut all = Vec::new();
    for series in ["", "R-", "2026/", "№ 9-9 ", "12345678901234567-"] {
        let numbers = ["0", "7", "10", "4711", "999999999999"].map(|count| format!("{series}{count}"));
        let keys = numbers.map(|number| receipt("A", "s", "t", "2026-02-28", &number));
        assert!(keys.is_sorted_by(|one, other| one < other), "{series}: {keys:?}");
        assert_eq!((keys[3].0 ^ keys[0].0), 4711);
        all.extend(keys);
    }
    let padded = ["R-000999", "R-001000", "R-001001"].map(|number| receipt("A", "s", "t", "2026-02-28", number).0);
    assert!(padded[1] == padded[0] + 1 && padded[2] == padded[1] + 1, "{padded:?}");
    // One key: their entries tell them apart.
    assert_eq!(receipt("A", "s", "t", "2026-02-28", "07"), receipt("A", "s", "t", "2026-02-28", "7"));
    for number in ["R", "+7", "7.0", "7-", "1000000000000", "9223372036854775808", "99999999999999999999"] {
        all.push(receipt("A", "s", "t", "2026-02-28", number));
    }
    for (partner, store, till) in [("A", "st", ""), ("A", "", "st"), ("A", "t", "s"), ("A", "s", ""), ("B", "s", "t")] {
        all.push(receipt(partner, store, till, "2026-02-28", "4711"));
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

proptest! {
    /// Whatever member the entry tells: the answer is the same, and it is kept in one form.
    #[test]
    fn an_answer_is_told_again_from_what_is_kept_of_it(reply in member_replies(), another in any::<u128>()) {
        let member = reply.member;
        let reply = Reply::Member(reply);
        for told in [Some(member), Some(MemberId(another)), None] {
            let kept = reply.kept(told);
            prop_assert_eq!(Reply::read(&kept, told).unwrap(), reply.clone());
            prop_assert!(Reply::read(&kept[..kept.len() - 1], told).is_err());
            prop_assert!(Reply::read(&[&kept[..], &[0]].concat(), told).is_err());
        }
    }

    /// Else two rows with two hashes could stand for one answer.
    #[test]
    fn bytes_that_are_read_as_an_answer_are_those_that_it_is_kept_in(
        follows in any::<u8>(),
        bytes in prop::collection::vec(prop_oneof![0..4_u8, 126..130_u8, any::<u8>()], 0..40),
    ) {
        for kind in 0..4 {
            let bytes = [&[kind, follows], &bytes[..]].concat();
            if let Ok(reply) = Reply::read(&bytes, Some(MemberId(1))) {
                prop_assert_eq!(reply.kept(Some(MemberId(1))), bytes);
            }
        }
    }

    /// Points that are to expire do so at a time that the calendar has, whatever the policy, the time and the zone: never
    /// before they are issued, never silently for ever.
    #[test]
    fn every_expiry_policy_keeps_within_the_calendar(policy in policies(), issued in moments(), zone in 0..ZONES.len()) {
        let zone = TimeZone::get(ZONES[zone]).unwrap();
        let expires = policy.expires(issued, &zone);
        match policy {
            ExpiryPolicy::None => prop_assert_eq!(expires, Timestamp::NEVER),
            ExpiryPolicy::InactiveDays(days) => {
                prop_assert_eq!(expires.inactivity_days(), Some(days));
                let ends = ExpiryPolicy::Days(days).expires(issued, &zone);
                prop_assert!((issued..=Timestamp::LAST).contains(&ends));
            }
            ExpiryPolicy::Fixed(at) => {
                prop_assert_eq!(expires, at.clamp(Timestamp::FIRST, Timestamp::LAST));
            }
            ExpiryPolicy::Days(_)
            | ExpiryPolicy::Months(_)
            | ExpiryPolicy::EndOfMonth(_)
            | ExpiryPolicy::EndOfYear(_) => prop_assert!((issued..=Timestamp::LAST).contains(&expires), "{policy:?} from {issued} is {expires}"),
        }
        // Under terms that are accepted no date falls off the calendar's end before 2200.
        let before_2200 = issued < moment("2200-01-01T00:00:00Z");
        if policy.check().is_ok() && before_2200 && !matches!(policy, ExpiryPolicy::Fixed(_)) {
            prop_assert_ne!(expires, Timestamp::LAST);
        }
    }

    /// Books play every policy that terms may have, at every time: an issue is accepted, and its points are gone when their
    /// time has come.
    #[test]
    fn an_issue_under_any_terms_is_booked_and_ends(policy in policies(), at in moments()) {
        prop_assume!(policy.check().is_ok());
        let mut play = brands(Funding::AtIssue);
        let terms = TermsDraft { expiry: Some(policy), ..TermsDraft::default() };
        play.now = at;
        play.operator(create("X1", terms)).unwrap();
        let issue = Command::IssuePoints(IssuePoints { member: member_ref("m"), earn: Earn::points(Points(10)) });
        let accepted = play.ask("X1", issue);
        prop_assert!(accepted.is_ok(), "{accepted:?}");
        play.now = Timestamp::LAST;
        let due = play.ask("X1", Command::RedeemPoints(RedeemPoints { member: member_ref("m"), points: Points(10) }));
        let dated = if let ExpiryPolicy::InactiveDays(days) = policy { ExpiryPolicy::Days(days) } else { policy };
        prop_assert_eq!(due.is_ok(), play.now < dated.expires(at, &TimeZone::UTC), "{:?}", due);
    }

    #[test]
    fn a_number_is_read_as_it_is_written(units in any::<i64>(), scale in 0u32..=6) {
        let amount = Money(units);
        let text = amount.text(scale);
        if units == 0 {
            prop_assert!(!text.starts_with('-'));
        }
        prop_assert_eq!(Money::read(&text, scale), Ok(amount));
        prop_assert_eq!(number(&text).unwrap().to_string(), text.clone());
        // One more decimal is refused, a zero too.
        let more = if scale == 0 { format!("{text}.0") } else { format!("{text}0") };
        prop_assert!(Money::read(&more, scale).is_err());
    }

    #[test]
    fn a_rate_is_read_as_it_is_written(billionths in 0i64..=1_000_000_000) {
        let rate = Rate::new(Decimal::new(billionths, 9)).unwrap();
        prop_assert_eq!(rate.decimal().to_string().parse::<Rate>(), Ok(rate));
    }

    /// The grammar is the one of the rules: whatever it takes, it writes the same again.
    #[test]
    fn what_is_read_is_written_the_same(text in "-?[0-9]{0,3}[._+e ]?[0-9]{0,3}") {
        if let Ok(value) = number(&text) {
            prop_assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_written(text in "[A-Za-z][A-Za-z0-9_-]{0,30}") {
        if let Ok(id) = text.parse::<PartnerId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}

#[test]
fn deposits_go_to_the_reserve_or_a_partners_collateral_or_advance_only() {
    let fund = |text: &str| text.parse::<Fund>();
    assert_eq!(fund("reserve").unwrap(), Fund::Reserve);
    assert_eq!(fund("collateral:A").unwrap(), Fund::Collateral("A".parse().unwrap()));
    assert_eq!(fund("advance:A").unwrap(), Fund::Advance("A".parse().unwrap()));
    for wrong in ["", "pool", "unapplied:A", "position:A", "settle:1:A", "bank:reserve", "collateral", "collateral:"] {
        let refused = fund(wrong).unwrap_err().to_string();
        assert!(refused.contains("none of reserve, collateral:PARTNER and advance:PARTNER"), "{wrong}: {refused}");
    }
}
