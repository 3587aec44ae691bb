//! What lines mean, given what a house knows.

use clearing_bank::{
    BankFile, Encoding, FileFormat, Known, KnownOrder, Line, LineKind, LineState, Meaning, OrderState, OrderedOut,
    OtherSide, Period, Purpose, Reference, Sign, Statement, judge, read, request_id,
};
use jiff::civil::date;

use crate::samples::{IBAN, SECOND_IBAN, currency, file, money, roubles};

const DOMAIN: &str = "points.example";
const FUEL: &str = "DE75512108001245126199";
const CAFE: &str = "FR1420041010050500013M02606";
const STRANGER: &str = "DE02200505501015871393";

/// A house with two accounts, in whose window 7 FUEL owes 100.00 and CAFE gets 60.00, and whose window 5 was given up.
fn known() -> Known {
    let mut known = Known::default();
    known.own_account(IBAN, Purpose::Settlement);
    known.own_account(SECOND_IBAN, Purpose::Reserve);
    known.account(FUEL, None, "FUEL");
    known.account(CAFE, None, "CAFE");
    for (window, payer, payee, state) in [
        (7, "FUEL", "hub", OrderState::Due(money("100.00"))),
        (7, "hub", "CAFE", OrderState::Due(money("60.00"))),
        (6, "FUEL", "hub", OrderState::Paid),
        (5, "FUEL", "hub", OrderState::Aborted),
        (7, "CAFE", "FUEL", OrderState::Due(money("1.00"))),
    ] {
        known.order(DOMAIN, KnownOrder { window, payer: payer.to_owned(), payee: payee.to_owned(), state });
    }
    known.ordered_out(OrderedOut { partner: Some("FUEL".to_owned()), amount: money("25.00") });
    known
}

fn reference(window: i64, payer: &str, payee: &str) -> String {
    Reference::of(DOMAIN, window, payer, payee).to_string()
}

/// A line that is booked, with a reference of the bank's.
fn line(sign: Sign, amount: &str, account: Option<&str>, text: &str) -> Line {
    Line {
        file_line: 1,
        state: LineState::Booked,
        booking_date: Some(date(2026, 3, 4)),
        value_date: None,
        sign,
        amount: money(amount),
        currency: currency("EUR"),
        kind: LineKind::Payment,
        reversal: false,
        return_reason: None,
        other: OtherSide { account: account.map(str::to_owned), ..OtherSide::default() },
        bank_reference: Some("B1".to_owned()),
        end_to_end_id: None,
        document_number: None,
        text: text.to_owned(),
        payments: 1,
    }
}

fn of_lines(lines: Vec<Line>) -> BankFile {
    let day = date(2026, 3, 4);
    let statement = Statement {
        account: IBAN.to_owned(),
        file_line: 1,
        opening: None,
        closing: None,
        whole_days: Period::of(day, day),
        lines,
    };
    BankFile { format: FileFormat::Camt053(8), encoding: Encoding::Utf8, hash: [7; 32], statements: vec![statement] }
}

fn verdict(line: Line, known: &Known) -> (Meaning, String) {
    let file = of_lines(vec![line]);
    let judged = judge(&file, known).remove(0);
    (judged.meaning, judged.why)
}

fn received(partner: Option<&str>, window: Option<i64>, pays: bool) -> Meaning {
    Meaning::Received { partner: partner.map(str::to_owned), window, pays }
}

#[test]
fn a_payment_is_whose_its_account_and_its_reference_agree_on_and_pays_only_what_is_exactly_due() {
    let known = known();
    let seven = reference(7, "FUEL", "hub");
    let cases = [
        ("100.00", Some(FUEL), seven.clone(), received(Some("FUEL"), Some(7), true), "just what is due"),
        ("99.99", Some(FUEL), seven.clone(), received(Some("FUEL"), Some(7), false), "0.01 too little: 100.00 are due"),
        ("100.01", Some(FUEL), seven.clone(), received(Some("FUEL"), Some(7), false), "0.01 too much"),
        ("100.00", Some(FUEL), reference(6, "FUEL", "hub"), received(Some("FUEL"), Some(6), false), "nothing is due"),
        ("100.00", Some(FUEL), reference(5, "FUEL", "hub"), received(Some("FUEL"), Some(5), false), "was given up"),
        ("100.00", Some(FUEL), "thank you".to_owned(), received(Some("FUEL"), None, false), "no reference is known"),
        (
            "100.00",
            Some(STRANGER),
            seven.clone(),
            received(Some("FUEL"), Some(7), true),
            "an account that is not known",
        ),
        ("100.00", None, seven.clone(), received(Some("FUEL"), Some(7), true), "FUEL for window 7"),
        (
            "100.00",
            Some(CAFE),
            seven.clone(),
            received(None, None, false),
            "CAFE's, and the reference that of an order of FUEL",
        ),
        ("100.00", Some(STRANGER), String::new(), received(None, None, false), "neither the account nor a reference"),
        (
            "60.00",
            Some(STRANGER),
            reference(7, "hub", "CAFE"),
            received(None, None, false),
            "an order from hub to CAFE",
        ),
        ("1.00", Some(CAFE), reference(7, "CAFE", "FUEL"), received(None, None, false), "from CAFE to FUEL"),
        (
            "200.00",
            Some(FUEL),
            format!("{seven} {}", reference(6, "FUEL", "hub")),
            received(Some("FUEL"), None, false),
            "names 2 orders",
        ),
    ];
    for (amount, account, text, meaning, told) in cases {
        let (found, why) = verdict(line(Sign::Credit, amount, account, &text), &known);
        assert_eq!(found, meaning, "{amount} {account:?} {text}: {why}");
        assert!(why.contains(told), "{told}: {why}");
    }
    // The reference stands where the bank has put it, and however it was broken.
    let mut payment = line(Sign::Credit, "100.00", Some(FUEL), "");
    payment.end_to_end_id = Some(seven.clone());
    assert_eq!(verdict(payment.clone(), &known).0, received(Some("FUEL"), Some(7), true));
    payment.text = seven.to_lowercase();
    assert_eq!(verdict(payment, &known).0, received(Some("FUEL"), Some(7), true), "one order, named twice");
}

#[test]
fn a_leg_is_paid_by_one_line_of_a_file_and_what_comes_to_an_account_of_a_fund_is_a_person_s() {
    let known = known();
    let seven = reference(7, "FUEL", "hub");
    let mut lines = vec![line(Sign::Credit, "100.00", Some(FUEL), &seven); 2];
    lines[1].file_line = 2;
    let file = of_lines(lines.clone());
    let judged = judge(&file, &known);
    assert_eq!(judged[0].meaning, received(Some("FUEL"), Some(7), true));
    assert_eq!(judged[1].meaning, received(Some("FUEL"), Some(7), false));
    assert!(judged[1].why.contains("line 1 of the file pays it already"), "{}", judged[1].why);

    let mut file = of_lines(lines);
    file.statements[0].account = SECOND_IBAN.to_owned();
    for judged in judge(&file, &known) {
        assert_eq!((judged.meaning, judged.perhaps), (Meaning::Left, None), "{}", judged.why);
        assert!(judged.why.contains("the account is that for reserve"), "{}", judged.why);
    }
}

#[test]
fn of_a_line_that_is_left_the_house_may_be_told_what_it_would_be_if_it_was_booked_before() {
    let known = known();
    let perhaps = |amount: &str, account: Option<&str>, text: &str| {
        let file = of_lines(vec![line(Sign::Debit, amount, account, text)]);
        let judged = judge(&file, &known).remove(0);
        assert_eq!(judged.meaning, Meaning::Left, "{}", judged.why);
        judged.perhaps
    };
    let cafe = "CAFE".to_owned();
    let out = reference(7, "hub", "CAFE");
    // A part of a pay-out that was let out earlier than the rest.
    assert_eq!(perhaps("20.00", Some(CAFE), &out), Some(Meaning::PaidOut { window: 7, partner: cafe.clone() }));
    assert_eq!(perhaps("20.00", Some(CAFE), "back"), Some(Meaning::OrderedOut { partner: Some(cafe) }));
    assert_eq!(perhaps("20.00", Some(STRANGER), "back"), None);
    assert_eq!(perhaps("60.00", Some(FUEL), &out), None, "it went to another account than the order's");
}

#[test]
fn money_from_an_account_that_two_partners_share_is_nobodys_and_a_bank_tells_accounts_of_one_number_apart() {
    let mut known = known();
    known.account(FUEL, None, "FUEL2");
    let (meaning, why) = verdict(line(Sign::Credit, "100.00", Some(FUEL), &reference(7, "FUEL", "hub")), &known);
    assert_eq!(meaning, received(None, None, false));
    assert!(why.contains("FUEL and of FUEL2"), "{why}");

    let number = "40702810100000000001";
    known.account(number, Some("044525225"), "SHOP");
    known.account(number, Some("044525974"), "OTHER");
    for (bank, partner) in [(Some("044525225"), Some("SHOP")), (Some("044525974"), Some("OTHER")), (None, None)] {
        let mut payment = line(Sign::Credit, "5.00", Some(number), "");
        payment.other.bank = bank.map(str::to_owned);
        assert_eq!(verdict(payment, &known).0, received(partner, None, false), "{bank:?}");
    }
}

#[test]
fn what_the_coalition_paid_is_known_by_its_order_and_its_account_or_by_what_it_ordered_out() {
    let known = known();
    let out = |amount: &str, account: &str, text: &str| verdict(line(Sign::Debit, amount, Some(account), text), &known);
    let order = reference(7, "hub", "CAFE");
    let paid = Meaning::PaidOut { window: 7, partner: "CAFE".to_owned() };
    assert_eq!(out("60.00", CAFE, &order).0, paid);
    for (amount, account, text, told) in [
        ("60.01", CAFE, order.as_str(), "one of 60.00"),
        ("60.00", STRANGER, &order, "went to another account"),
        ("60.00", CAFE, "", "nobody here ordered it"),
        ("100.00", FUEL, &reference(7, "FUEL", "hub"), "no order that the coalition pays"),
        ("24.99", FUEL, "", "nobody here ordered it"),
    ] {
        let (meaning, why) = out(amount, account, text);
        assert_eq!(meaning, Meaning::Left, "{why}");
        assert!(why.contains(told), "{told}: {why}");
    }
    // An order is paid once: the second line of its amount is none of it.
    let twice = of_lines(vec![line(Sign::Debit, "25.00", Some(FUEL), ""), line(Sign::Debit, "25.00", Some(FUEL), "")]);
    let meanings: Vec<Meaning> = judge(&twice, &known).into_iter().map(|judged| judged.meaning).collect();
    assert_eq!(meanings, [Meaning::OrderedOut { partner: Some("FUEL".to_owned()) }, Meaning::Left]);
}

#[test]
fn own_transfers_fees_what_came_back_and_what_is_not_booked_are_told_apart() {
    let known = known();
    let (out, back) = (Purpose::Settlement, Purpose::Reserve);
    let transfer = |from, to, arrived| Meaning::OwnTransfer { from, to, arrived };
    assert_eq!(verdict(line(Sign::Debit, "5.00", Some(SECOND_IBAN), ""), &known).0, transfer(out, back, false));
    assert_eq!(verdict(line(Sign::Credit, "5.00", Some(SECOND_IBAN), ""), &known).0, transfer(back, out, true));
    assert_eq!(verdict(line(Sign::Credit, "5.00", Some(IBAN), ""), &known).0, Meaning::Left);

    let of_bank = |kind: LineKind, sign: Sign| verdict(Line { kind, ..line(sign, "2.50", None, "Fee") }, &known).0;
    let fee = |interest| Meaning::Fee { purpose: Purpose::Settlement, interest };
    assert_eq!(of_bank(LineKind::Charge, Sign::Debit), fee(false));
    assert_eq!(of_bank(LineKind::Interest, Sign::Credit), fee(true));
    assert_eq!(of_bank(LineKind::Interest, Sign::Debit), fee(false));
    assert_eq!(of_bank(LineKind::Charge, Sign::Credit), Meaning::Left);
    assert_eq!(of_bank(LineKind::Payment, Sign::Debit), Meaning::Left, "a text is no evidence");

    let returned = |sign, text: &str| {
        verdict(Line { return_reason: Some("AC04".to_owned()), ..line(sign, "60.00", None, text) }, &known)
    };
    let (meaning, why) = returned(Sign::Credit, &reference(7, "hub", "CAFE"));
    assert_eq!(meaning, Meaning::PayOutReturned { window: 7, partner: "CAFE".to_owned() });
    assert!(why.contains("AC04"), "{why}");
    assert_eq!(returned(Sign::Credit, "").0, Meaning::Left);
    assert_eq!(returned(Sign::Debit, &reference(7, "FUEL", "hub")).0, Meaning::Left, "it is not said which line");

    let came = Line { end_to_end_id: Some("E1".to_owned()), ..line(Sign::Credit, "60.00", Some(FUEL), "") };
    let mut went = Line { reversal: true, sign: Sign::Debit, ..came.clone() };
    went.bank_reference = Some("B2".to_owned());
    let both = of_lines(vec![came.clone(), went.clone()]);
    let judged = judge(&both, &known);
    let payment = judged[0].key.clone().unwrap();
    assert_eq!(judged[1].meaning, Meaning::PaymentReturned { payment });
    let doubtful = of_lines(vec![came.clone(), came, went]);
    assert_eq!(judge(&doubtful, &known)[2].meaning, Meaning::Left, "either of two");

    let announced = Line { state: LineState::Pending, booking_date: None, ..line(Sign::Credit, "1.00", None, "") };
    let file = of_lines(vec![announced]);
    let judged = judge(&file, &known).remove(0);
    assert_eq!((judged.meaning, judged.key), (Meaning::NotBooked, None));
    let mut part = of_lines(vec![Line { bank_reference: None, ..line(Sign::Credit, "1.00", Some(FUEL), "") }]);
    part.statements[0].whole_days = None;
    let (meaning, why) = {
        let judged = judge(&part, &known).remove(0);
        (judged.meaning, judged.why)
    };
    assert_eq!(meaning, Meaning::Left);
    assert!(why.contains("whole day"), "{why}");
}

#[test]
fn the_fee_of_a_bank_is_known_by_its_code_and_of_1c_by_the_account_that_it_went_to() {
    let read = read(&file("files/1c-utf8.txt"), &roubles()).unwrap();
    let kinds: Vec<LineKind> = read.statements[0].lines.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [LineKind::Payment, LineKind::Payment, LineKind::Charge, LineKind::Payment]);
    let text = String::from_utf8(file("files/camt.053.001.02.xml")).unwrap();
    let last =
        "<Prtry>\n            <Cd>808</Cd>\n          </Prtry>\n        </BkTxCd>\n        <AddtlNtryInf>Account fee";
    let domain = "<Domn><Cd>ACMT</Cd><Fmly><Cd>MDOP</Cd><SubFmlyCd>CODE</SubFmlyCd></Fmly></Domn>\n        </BkTxCd>\n        <AddtlNtryInf>Account fee";
    for (code, kind) in [
        (last.to_owned(), LineKind::Payment),
        (last.replace("</Cd>", "</Cd><Issr>DK</Issr>"), LineKind::Charge),
        (last.replace("808</Cd>", "NINT+814+1</Cd><Issr>DK</Issr>"), LineKind::Interest),
        (domain.replace("CODE", "CHRG"), LineKind::Charge),
        (domain.replace("CODE", "INTR"), LineKind::Interest),
        (domain.replace("CODE", "ESCT"), LineKind::Payment),
    ] {
        assert!(text.contains(last));
        let file = clearing_bank::read(text.replace(last, &code).as_bytes(), &crate::samples::euros()).unwrap();
        assert_eq!(file.statements[0].lines[5].kind, kind, "{code}");
    }
}

#[test]
fn the_id_of_a_request_is_made_from_the_file_and_the_line_alone() {
    let file = of_lines(vec![line(Sign::Credit, "1.00", None, ""), line(Sign::Credit, "2.00", None, "")]);
    let known = known();
    let keys: Vec<_> = judge(&file, &known).into_iter().map(|judged| judged.key.unwrap()).collect();
    let id = request_id(&file.hash, &keys[0]);
    assert_eq!(id, request_id(&file.hash, &keys[0]));
    assert_ne!(id, request_id(&file.hash, &keys[1]), "another line");
    assert_ne!(id, request_id(&[8; 32], &keys[0]), "another file");
    assert_eq!((id[6] >> 4, id[8] >> 6), (7, 0b10), "a UUID of version 7");
    let milliseconds = id[..6].iter().fold(0_i64, |so_far, byte| so_far << 8 | i64::from(*byte));
    let day = jiff::Timestamp::from_millisecond(milliseconds).unwrap().to_string();
    assert_eq!(day, "2026-03-03T00:00:00Z", "the day before it was booked");
}
