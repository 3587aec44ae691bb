//! One name for one thing, and one place for it: what README.md says of the names of the interface, of all its messages.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// The files of the interface.
fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(clearing_proto::FILE_DESCRIPTOR_SET).unwrap();
    set.file.into_iter().filter(|file| file.package() == "coalition.clearing.v1").collect()
}

/// Its messages, by their names.
fn messages() -> BTreeMap<String, DescriptorProto> {
    let messages = files().into_iter().flat_map(|file| file.message_type);
    messages.map(|message| (format!(".coalition.clearing.v1.{}", message.name()), message)).collect()
}

fn field<'a>(message: &'a DescriptorProto, name: &str) -> Option<&'a FieldDescriptorProto> {
    message.field.iter().find(|field| field.name() == name)
}

#[test]
fn a_service_stands_in_the_file_of_its_noun() {
    let mut services = 0;
    for file in files() {
        let noun = file.name().rsplit('/').next().unwrap().strip_suffix(".proto").unwrap().to_owned();
        assert!(file.service.len() <= 1, "{noun} has several services");
        for service in &file.service {
            assert_eq!(service.name().to_lowercase(), format!("{}service", noun.replace('_', "")));
            services += 1;
        }
    }
    assert_eq!(services, 24);
}

#[test]
fn what_a_request_wrote_has_one_place_in_every_answer() {
    let messages = messages();
    let mut with_effect = 0;
    for file in files() {
        for service in &file.service {
            let of_house = [
                "BankAccountService",
                "CareService",
                "CredentialService",
                "PartnerService",
                "PeopleService",
                "SettlementService",
            ]
            .contains(&service.name());
            for method in &service.method {
                let (request, answer) = (&messages[method.input_type()], &messages[method.output_type()]);
                // A key of what is looked up is one of several, and not the key of the call.
                let keyed = field(request, "request_id").is_some_and(|key| key.oneof_index.is_none());
                let written = field(answer, "written").map(|field| (field.number(), field.type_name()));
                assert_eq!(written, keyed.then_some((1, ".coalition.clearing.v1.Written")), "{}", method.name());
                let proposal = field(answer, "proposal_id").map(FieldDescriptorProto::number);
                assert_eq!(proposal, (keyed && of_house).then_some(2), "{}", method.name());
                if let Some(member) = field(answer, "member") {
                    assert_eq!(member.type_name(), ".coalition.clearing.v1.MemberFigures", "{}", method.name());
                }
                with_effect += usize::from(keyed);
            }
        }
    }
    assert!(with_effect > 20);
}

#[test]
fn every_moment_is_a_time_every_id_an_id_and_every_count_a_count() {
    let ids = ["issuer", "acceptor", "partner", "funder", "creditor", "debtor", "counterparty", "lot", "hold", "entry"];
    for message in messages().values() {
        for field in &message.field {
            let name = format!("{}.{}", message.name(), field.name());
            let moment = field.type_name() == ".google.protobuf.Timestamp";
            let time = field.name().ends_with("_time") || field.name().ends_with("_times");
            assert_eq!(moment, time, "{name}");
            assert!(!field.name().ends_with("_at"), "{name}");
            // The fields of a split are shares of whom they name.
            if field.r#type() == Type::String && message.name() != "BreakageSplit" {
                assert!(!ids.contains(&field.name()), "{name} is an id: {name}_id");
            }
            // A tax id is a number of an office, and names nothing in the house.
            let is_id = field.name().ends_with("_id") || field.name().ends_with("_ids");
            if is_id && name != "LegalRecord.tax_ids" {
                assert_eq!(field.r#type(), Type::String, "{name}");
            }
            if field.name().ends_with("_count") || field.name().ends_with("_points") {
                assert_eq!(field.r#type(), Type::Int64, "{name}");
            }
        }
    }
}
