//! `clearing bank`: what the banks say.

use clap::Subcommand;

use crate::bank_file::{self, OfFile};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Answer;

/// The bank commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows what each line of a bank's file means for the house, and why; nothing is booked.
    ///
    /// The file is read as a whole: of one that is cut off, of another account or another currency, or that does not tie, nothing is
    /// shown but what is wrong with it, with the line and the field.
    #[command(
        after_help = "Examples:\n  clearing bank show statement.xml\n  clearing bank show kl_to_1c.txt --from 2026-03-01 --until 2026-03-31\n  \
                      clearing bank show statement.xml --own reserve=DE02120300000000202051\n  \
                      clearing bank show march.csv --delimiter ';' --dates dotted --column booking-date=Date --column amount=Sum\n\n\
                      camt.053, camt.054 and files of 1C are known by what is in them. Of CSV, the columns are named by --column FIELD=NAME:\n\
                      booking-date and amount, or booking-date, credit and debit, or booking-date, amount and sign with --credit-word and\n\
                      --debit-word; and as there are, value-date, currency, other-account, other-bank, other-name, other-tax-id, reference,\n\
                      end-to-end-id, document-number, text.\n\n\
                      The coalition's account is that of the operator (clearing partner account operator); --own names others."
    )]
    Show(OfFile),
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Show(file) => bank_file::show(context, &file).await,
    }
}
