#!/usr/bin/env python3
"""First steps of a brand in Python, from the .proto files alone. See README.md beside this file."""

import argparse
import importlib
import os
import pathlib
import secrets
import sys
import tempfile
import time
import uuid
from decimal import Decimal

import grpc
from google.protobuf import timestamp_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

# Seconds that a call may take.
DEADLINE = 10


def generate(protos, out):
    """Compiles the .proto files into `out` and gives the package with their modules."""
    files = sorted(str(path) for path in (protos / "coalition/clearing/v1").glob("*.proto"))
    if not files:
        sys.exit(f"there are no .proto files in {protos}")
    # grpc_tools carries the well-known types itself.
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{protos}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}", *files]
    if protoc.main(arguments) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, str(out))
    return lambda name: importlib.import_module(f"coalition.clearing.v1.{name}")


def request_id():
    """A UUID of version 7: 48 bits of milliseconds, then random bits (RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def connect(folder, partner):
    """A channel to the sandbox whose files are in `folder`, as this partner."""
    endpoint = (folder / "endpoint.txt").read_text().strip().removeprefix("https://").rstrip("/")
    credentials = grpc.ssl_channel_credentials(
        root_certificates=(folder / "ca.pem").read_bytes(),
        private_key=(folder / f"{partner}.key").read_bytes(),
        certificate_chain=(folder / f"{partner}.pem").read_bytes(),
    )
    return grpc.secure_channel(endpoint, credentials)


def error_info(error):
    """The google.rpc.ErrorInfo of a gRPC error: the reason, and the numbers that belong to it."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info
    sys.exit(f"an error without ErrorInfo: {error}")


def check(what, have, want):
    """Ends the program when a figure is not as it must be."""
    if have != want:
        sys.exit(f"{what}: {have} instead of {want}")
    print(f"{what}: {have}")


def amount(money):
    return Decimal(money.amount)


def play(pb, folder, issuer_id, acceptor_id):
    names = ("entry", "hold", "info", "issue", "member", "origin", "position", "redemption", "reversal")
    entry, hold, info, issue, member, origin, position, redemption, reversal = (pb(f"{name}_pb2") for name in names)

    def stub(name, channel):
        """A client of the service of a noun, such as IssueService of `issue`."""
        return getattr(pb(f"{name}_pb2_grpc"), f"{name.capitalize()}ServiceStub")(channel)

    with connect(folder, issuer_id) as issuer_channel, connect(folder, acceptor_id) as acceptor_channel:
        issues, reversals, members = (stub(name, issuer_channel) for name in ("issue", "reversal", "member"))
        redemptions, holds, accounts = (stub(name, acceptor_channel) for name in ("redemption", "hold", "position"))

        about = stub("info", acceptor_channel).GetServerInfo(info.GetServerInfoRequest(), timeout=DEADLINE)
        check("I am", about.caller_id, acceptor_id)
        opening = accounts.GetPosition(position.GetPositionRequest(), timeout=DEADLINE)

        # A card and a receipt of its own for each run, so that the figures are always the same: a receipt earns once.
        run = secrets.token_hex(8)
        card = member.MemberRef(identifier=member.Identifier(scheme="card", value=f"4000-{run}"))

        # Earn.
        wish = issue.IssuePointsRequest(
            request_id=request_id(),
            member=card,
            points=100,
            origin=origin.Origin(store="store-7", till="3", receipt_number=f"R-{run}"),
        )
        issued = issues.IssuePoints(wish, timeout=DEADLINE)
        check("balance after earning 100", issued.member.available_points, 100)
        check("postings of points", sorted(
            (p.account, p.quantity.points) for p in issued.written.entries[0].postings if p.quantity.HasField("points")
        ), [
            (f"issuer:{issuer_id}", -100),
            (f"member:{issued.member.member_id}", 100),
        ])

        # The same request again has the same answer and no second effect.
        again = issues.IssuePoints(wish, timeout=DEADLINE)
        check("replayed", again.written.replayed, True)
        check("the same entry", again.written.entries[0].entry_id, issued.written.entries[0].entry_id)

        # Spend at another brand, as quoted.
        quote = redemptions.QuoteRedemption(redemption.QuoteRedemptionRequest(member=card, points=60), timeout=DEADLINE)
        check("points missing for 60", quote.missing_points, 0)
        redeemed = redemptions.RedeemPoints(
            redemption.RedeemPointsRequest(request_id=request_id(), member=card, points=60), timeout=DEADLINE
        )
        check("balance after spending 60", redeemed.member.available_points, 40)
        check("credit as quoted", amount(redeemed.acceptor_credit), amount(quote.acceptor_credit))
        lots = [(lot.change, lot.points, lot.own) for lot in redeemed.written.entries[0].lots]
        check("the lots taken", lots, [(entry.LOT_CHANGE_TAKEN, 60, False)])

        # Too much is rejected by the rules, with the numbers a till needs.
        try:
            redemptions.RedeemPoints(
                redemption.RedeemPointsRequest(request_id=request_id(), member=card, points=1_000), timeout=DEADLINE
            )
            sys.exit("1,000 points were taken from a balance of 40")
        except grpc.RpcError as error:
            reason = error_info(error)
            check("1,000 points", (error.code(), reason.domain, reason.reason), (
                grpc.StatusCode.FAILED_PRECONDITION,
                "clearing.coalition",
                "INSUFFICIENT_POINTS",
            ))
            check("available, as the rejection says", reason.metadata["available_points"], "40")

        # Bring half of it back.
        returned = redemptions.ReturnRedemption(
            redemption.ReturnRedemptionRequest(
                request_id=request_id(), redemption_entry_id=redeemed.written.entries[0].entry_id, points=30
            ),
            timeout=DEADLINE,
        )
        check("balance after returning 30", returned.member.available_points, 70)
        check("still returnable", returned.returnable_points, 30)
        balance = members.GetBalance(member.GetBalanceRequest(member=card), timeout=DEADLINE)
        check("balance, asked by the issuer", balance.member.available_points, 70)

        # Reserve, and take a part of it: the rest is the member's again.
        lapse_time = timestamp_pb2.Timestamp(seconds=about.server_time.seconds + 600)
        held = holds.AuthorizeRedemption(
            hold.AuthorizeRedemptionRequest(request_id=request_id(), member=card, points=50, lapse_time=lapse_time),
            timeout=DEADLINE,
        )
        check("balance and held after reserving 50", (held.member.available_points, held.member.held_points), (20, 50))
        captured = holds.CaptureHold(
            hold.CaptureHoldRequest(request_id=request_id(), hold_id=held.hold_id, points=20), timeout=DEADLINE
        )
        check("balance after capturing 20", (captured.member.available_points, captured.released_points), (50, 30))

        # Goods go back to the issuer: what is still there is taken back, what was spent becomes a debt.
        reversed_issue = reversals.ReverseIssue(
            reversal.ReverseIssueRequest(
                request_id=request_id(), issue_entry_id=issued.written.entries[0].entry_id, points=60
            ),
            timeout=DEADLINE,
        )
        check("taken back and owed", (reversed_issue.taken_back_points, reversed_issue.debt_points), (50, 10))
        check("balance and debt", (reversed_issue.member.available_points, reversed_issue.member.owed_points), (0, 10))

        # Where the acceptor stands, and why. Another client may be at work in the same window: what must hold is that the
        # statement adds up, and that our own lines are on it.
        gained = amount(redeemed.acceptor_credit) - amount(returned.acceptor_debit) + amount(captured.acceptor_credit)
        lines, token = [], ""
        while True:
            statement = accounts.GetStatement(
                position.GetStatementRequest(page_size=1_000, page_token=token), timeout=DEADLINE
            )
            lines.extend(statement.lines)
            token = statement.next_page_token
            if not token:
                break
        entries = [answer.written.entries[0].entry_id for answer in (redeemed, returned, captured)]
        ours = [line for line in lines if line.entry_id in entries]
        check("gained, as the statement says", sum((amount(line.amount) for line in ours), Decimal()), gained)
        rewards = [line for line in ours if line.purpose == entry.PURPOSE_REWARD]
        check("points accepted, as the statement says", sum(line.points for line in rewards), 50)
        # Every line explains itself.
        for line in ours:
            product = Decimal(line.rate or 0) * line.points + Decimal(line.rounding or 0)
            check("points x rate + rounding", product, amount(line.amount))
        total = sum((amount(total.amount) for total in statement.totals), Decimal())
        check(
            "opening + lines - closing - leg",
            amount(statement.opening) + total - amount(statement.closing) - amount(statement.leg),
            Decimal(),
        )
        position_now = accounts.GetPosition(position.GetPositionRequest(), timeout=DEADLINE)
        if opening.window == position_now.window:
            check("position", amount(position_now.position), amount(opening.position) + gained)


def main():
    repository = pathlib.Path(__file__).resolve().parents[3]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="the folder that `clearing sandbox --dir` made")
    parser.add_argument("--issuer", default="grocer", help="id of the partner that issues (default: grocer)")
    parser.add_argument("--acceptor", default="cinema", help="id of the partner that accepts (default: cinema)")
    parser.add_argument("--protos", type=pathlib.Path, default=repository / "proto", help="the folder of the .proto files")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as out:
        pb = generate(arguments.protos, pathlib.Path(out))
        try:
            play(pb, arguments.folder, arguments.issuer, arguments.acceptor)
        except OSError as error:
            sys.exit(f"{arguments.folder} is not the folder of a sandbox: {error}")
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")
    print("all figures are right")


if __name__ == "__main__":
    # grpc's C core logs to stderr what this program says better.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    main()
