"""The public names of the package: `__init__.py` loads each from here when it is first used."""

from .datasets.images import Images as Images, TensorImages as TensorImages
from .datasets.registry import (
    Dataset as Dataset,
    load_dataset as load_dataset,
    register_dataset as register_dataset,
)
from .distillation.dropping import Dropping as Dropping
from .distillation.guide_losses import GuideLoss as GuideLoss
from .distillation.objectives import GuidanceLoss as GuidanceLoss, dense_guidance_loss as dense_guidance_loss
from .dump.provenance import Provenance as Provenance
from .dump.settings import DumpSettings as DumpSettings
from .dump.writer import GuideWriter as GuideWriter
from .errors import (
    Damaged as Damaged,
    DataMissing as DataMissing,
    DataUnreadable as DataUnreadable,
    DgkdError as DgkdError,
    Incomplete as Incomplete,
    Interrupted as Interrupted,
    InvalidInput as InvalidInput,
    Locked as Locked,
    Mismatch as Mismatch,
    NoPermission as NoPermission,
    NoSpace as NoSpace,
    NothingBegun as NothingBegun,
    RankLost as RankLost,
    StoreNotFound as StoreNotFound,
    UnknownName as UnknownName,
    UnsafeStore as UnsafeStore,
)
from .guides import GuideStore as GuideStore
from .guides.bank import GuideBank as GuideBank
from .guides.guided_batch import GuidedBatch as GuidedBatch
from .guides.loader import GuideLoader as GuideLoader
from .models.registry import build_model as build_model, register_model as register_model
from .models.saved import load_model as load_model
from .progress import PrintProgress as PrintProgress, Progress as Progress
from .randomness.run_random import RunRandom as RunRandom
from .run_files.model_card import ModelCard as ModelCard
from .training.evaluate import Score as Score, evaluate as evaluate
from .views.dataset import ViewDataset as ViewDataset, ViewSampler as ViewSampler
from .views.plan import ViewPlan as ViewPlan
from .views.renderer import ViewRenderer as ViewRenderer
from .views.schedule import Schedule as Schedule
from .workspace.chain import ChainRow as ChainRow, run_chain as run_chain
from .workspace.workspace import Workspace as Workspace

__version__: str
