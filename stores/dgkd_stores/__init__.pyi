"""The public names of the package: `__init__.py` loads each from here when it is first used."""

from .checking.damage import Damage as Damage, Verification as Verification
from .checking.verify import verify as verify
from .coding.canonical import JsonValue as JsonValue, canonical_json as canonical_json, decimal as decimal
from .coding.codecs import codec_names as codec_names, get_codec as get_codec
from .coding.encodings import (
    Encoding as Encoding,
    encoding_names as encoding_names,
    get_encoding as get_encoding,
)
from .coding.strict_json import deeper_than as deeper_than, parse_strictly as parse_strictly
from .containers import HeaderAndSeal as HeaderAndSeal, read_header as read_header
from .errors import (
    Damaged as Damaged,
    DgkdError as DgkdError,
    Incomplete as Incomplete,
    Interrupted as Interrupted,
    InvalidInput as InvalidInput,
    Locked as Locked,
    Mismatch as Mismatch,
    NoPermission as NoPermission,
    NoSpace as NoSpace,
    StoreNotFound as StoreNotFound,
    UnsafeStore as UnsafeStore,
    is_no_space as is_no_space,
)
from .fork_lock import fork_safe_lock as fork_safe_lock
from .format.derivation import derived_header as derived_header, probe_views as probe_views
from .format.draws import draw_name as draw_name, split_draw_name as split_draw_name
from .format.header import (
    DatasetIdentity as DatasetIdentity,
    GuideIdentity as GuideIdentity,
    StoreHeader as StoreHeader,
)
from .format.identity import IdentityArrays as IdentityArrays
from .format.layout import default_digest_rows as default_digest_rows, finished_bytes as finished_bytes
from .format.limits import MAX_RECORD_BYTES as MAX_RECORD_BYTES, MAX_VIEWS as MAX_VIEWS
from .reading.chunk_cache import MAX_DECODED_BYTES as MAX_DECODED_BYTES
from .reading.reader import Completeness as Completeness, GuideStore as GuideStore
from .reading.row_index import RowIndex as RowIndex
from .registry import Registry as Registry, closest_names as closest_names, did_you_mean as did_you_mean
from .sanitize import clean as clean, is_utf8 as is_utf8, one_line as one_line
from .sharing.cards import GuideCard as GuideCard, card_of as card_of, write_card as write_card
from .sharing.diff import (
    ArrayDifference as ArrayDifference,
    StoreDifference as StoreDifference,
    ViewDifference as ViewDifference,
    diff as diff,
)
from .sharing.merge import merge as merge
from .sharing.pull import pull as pull
from .sharing.pulled import Pulled as Pulled
from .sharing.push import Pushed as Pushed, push as push
from .sharing.signatures import (
    Signature as Signature,
    check_signature as check_signature,
    describe_signature as describe_signature,
    sign_store as sign_store,
    signature_path as signature_path,
    statement_of as statement_of,
)
from .sharing.subset import subset as subset
from .sharing.trust import TrustedKeys as TrustedKeys
from .writing.chunk_files import ChunkSlot as ChunkSlot
from .writing.compare import check_same_header as check_same_header, differing_keys as differing_keys
from .writing.convert import convert as convert
from .writing.repair import StoreRepair as StoreRepair
from .writing.whole import Converted as Converted, codecs_for as codecs_for
from .writing.writer import GuideStoreWriter as GuideStoreWriter
