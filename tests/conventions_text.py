"""A conventions.toml for tests: every key, with the values that the template gives by default."""

CONVENTIONS = """\
format = 1

[project]
name = "my-project"
model_types = ["pat_conv_l"]

[project.renamed]

[folders]
training = "training"
active = "training/experiments/active"
production = "model_weights/production"
pretrained = "model_weights/pretrained"
guides = "docs/training"
history = "training/.history"

[folders.in_training]
archived = "experiments/archived"
logs = "logs"
results = "results"

[names]
model = "{model_type}_v{metric}_{date}.{ext}"
production = "{model_type}_v{metric}.{ext}"
training_log = "{model_type}_training_{date}_{time}.log"
canonical_log = "{model_type}_v{metric}_{date}.log"
summary = "{model_type}_v{metric}_summary.md"
experiment = "{date:%Y-%m-%d}_{model_type}[_{experiment_name}]"
experiment_log = "training.log"
experiment_checkpoints = "checkpoints"
experiment_config = "config.yaml"
experiment_record = "run.json"
old_logs = "logs_before_{date}"
cleanup_report = "cleanup_{date}.md"

[metric]
name = "auc"
direction = "max"
decimals = 4

[metric.by_model_type]

[pretrained]
patterns = []

[production]
pick = []
group_by = ["task", "dataset", "classes"]

[scan]
leave_alone = []
in_use_minutes = 10

[archive]
after_days = 30
keep_best = 1
keep_last = 1
keep = []
min_free_gb = 0
purge_after_days = 30
min_copies = 1
"""
